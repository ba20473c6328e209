"""HTML as a test reads it."""

from html.parser import HTMLParser


class Page(HTMLParser):
    """Tags that are open, attributes that load something, and the text."""

    VOID = ("meta", "link", "img", "wbr", "br", "path", "circle", "rect", "use")

    def __init__(self, text):
        super().__init__()
        self.open, self.loaded, self.words, self.tags = [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        names = ("src", "href", "srcset", "data", "action")
        self.loaded += [value for name, value in attrs if name in names]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in self.VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        if tag not in self.VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)
