"""Keep a text from copying more of the training texts than so many words in a row."""

from backends.word_index import UNKNOWN, WORD, WordIndex


class CopyWatch:
    """The newest words of one text while it is written."""

    def __init__(self, index: WordIndex, limit: int, text: str) -> None:
        """Allow runs of `limit` words of the index; `text` is what is there already."""
        self._index = index
        self._limit = limit
        self._newest: list[int] = []
        """Numbers of the newest whole words, at most `limit`."""
        self._tail = ""
        """The text from the beginning of the word that may go on."""
        self.feed(text)

    def refuses(self, piece: str) -> bool:
        """Tell whether with this piece a copied run would become longer than the limit.

        It would as soon as a word begins like one that goes on with the run in a training text:
        once it is whole it is too late. A copied run of what was there before counts as it is,
        but must not go on.
        """
        text, newest = self._tail + piece, self._newest
        for word in WORD.finditer(text):
            letters = word.group().casefold()
            if word.end() > len(self._tail) and self._copies(newest, letters):
                return True
            newest = [*newest, self._index.number(letters)][-self._limit :]
        return False

    def feed(self, piece: str) -> None:
        """Take a piece of the text."""
        text = self._tail + piece
        words = list(WORD.finditer(text))
        for word in words[:-1]:
            self._newest.append(self._index.number(word.group().casefold()))
        del self._newest[: -self._limit]
        self._tail = text[words[-1].start() :] if words else ""

    def _copies(self, run: list[int], letters: str) -> bool:
        """Tell whether the run and then a word that begins with these letters are in the index."""
        if len(run) < self._limit or UNKNOWN in run:
            return False
        low, high = self._index.find(run)
        if low == high:
            return False
        low, high = self._index.narrow(low, high, len(run), *self._index.beginning_with(letters))
        return low < high
