r"""Translate the regular expressions of JSON schemas to what ``builtins.match`` of Nix understands.

A schema's ``pattern`` is searched for (ECMA 262, as the API server's RE2 reads it); ``builtins.match`` wants the whole
string and speaks POSIX extended expressions: no ``\d``, no ``(?:…)``, no escapes in brackets, and a dot that
also stands for a newline. What cannot be said exactly is refused with a reason, never approximated.
"""

from __future__ import annotations

from dataclasses import dataclass

_DIGITS = frozenset("0123456789")
_WORD = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")
_SPACE = frozenset(" \t\n\r\f\v")
_CLASSES: dict[str, frozenset[str]] = {"d": _DIGITS, "w": _WORD, "s": _SPACE}
_NEGATED_CLASSES: dict[str, frozenset[str]] = {"D": _DIGITS, "W": _WORD, "S": _SPACE}
_CONTROL = {"n": "\n", "t": "\t", "r": "\r", "f": "\f", "v": "\v"}
_SPECIAL = frozenset(".[\\()*+?{|^$")
_ASCII = 128
# A range shorter than this is written out: `[ab]` reads better than `[a-b]`.
_SHORTEST_RANGE = 3


class UntranslatableError(ValueError):
    """The expression has no exact equivalent; the message says why."""


def translate(pattern: str) -> str:
    """Return the extended expression that matches exactly the whole strings in which ``pattern`` is found.

    Args:
        pattern: A regular expression as JSON Schema and the API server read it.

    Raises:
        UntranslatableError: When ``builtins.match`` cannot say the same.

    Source: Nix ``builtins.match`` (std::regex::extended, whole string); libstdc++ ``_Scanner::_M_eat_escape_posix``.
    """
    parser = _Parser(pattern)
    branches = [_whole(branch) for branch in parser.alternatives(fold_case=False)]
    if parser.rest:
        raise UntranslatableError("an unbalanced parenthesis")
    return branches[0] if len(branches) == 1 else "|".join(f"({branch})" for branch in branches)


@dataclass(frozen=True)
class _Branch:
    """One alternative: its text, and whether it is bound to the start and the end of the string."""

    text: str = ""
    from_start: bool = False
    to_end: bool = False

    def __add__(self, following: _Branch) -> _Branch:
        if self.to_end and following.text:
            raise UntranslatableError("something follows the end of the string")
        if following.from_start and self.text:
            raise UntranslatableError("something precedes the start of the string")
        return _Branch(
            self.text + following.text, self.from_start or following.from_start, self.to_end or following.to_end
        )

    @property
    def is_anchored(self) -> bool:
        return self.from_start or self.to_end


def _whole(branch: _Branch) -> str:
    return ("" if branch.from_start else ".*") + branch.text + ("" if branch.to_end else ".*")


@dataclass
class _Parser:
    rest: str

    def take(self) -> str:
        if not self.rest:
            raise UntranslatableError("it ends in the middle of an expression")
        character, self.rest = self.rest[0], self.rest[1:]
        return character

    def alternatives(self, *, fold_case: bool) -> list[_Branch]:
        done: list[_Branch] = []
        # More than one while a group with anchors was multiplied out: `a(b|$)` is `ab|a$`.
        current = [_Branch()]
        while self.rest and self.rest[0] != ")":
            if self.rest[0] == "|":
                self.take()
                done += current
                current = [_Branch()]
            elif self.rest.startswith("(?i)"):
                self.rest = self.rest[4:]
                fold_case = True
            else:
                parts = self.part(fold_case=fold_case)
                current = [branch + part for branch in current for part in parts]
        return done + current

    def part(self, *, fold_case: bool) -> list[_Branch]:
        """Read one anchor, or one atom with its repetition."""
        if self.rest[0] == "^":
            self.take()
            return [_Branch(from_start=True)]
        if self.rest[0] == "$":
            self.take()
            return [_Branch(to_end=True)]
        if self.rest[0] == "(":
            branches = self.group(fold_case=fold_case)
            quantifier = self.quantifier()
            if not any(branch.is_anchored for branch in branches):
                return [_Branch("(" + "|".join(branch.text for branch in branches) + ")" + quantifier)]
            if quantifier:
                raise UntranslatableError("an anchor stands inside a repeated group")
            return branches
        return [_Branch(self.atom(fold_case=fold_case) + self.quantifier())]

    def quantifier(self) -> str:
        if not self.rest or self.rest[0] not in "*+?{":
            return ""
        quantifier = self.take()
        if quantifier == "{":
            end = self.rest.find("}")
            bounds = self.rest[:end]
            if end < 0 or not bounds.replace(",", "", 1).isdigit():
                raise UntranslatableError("a brace is no repetition")
            self.rest = self.rest[end + 1 :]
            quantifier = "{" + bounds + "}"
        if self.rest and self.rest[0] in "*+?{":
            raise UntranslatableError("a lazy or possessive repetition")
        return quantifier

    def atom(self, *, fold_case: bool) -> str:
        character = self.take()
        if character == "[":
            return self.bracket(fold_case=fold_case)
        if character == ".":
            return "[^\n]"
        if character == "\\":
            return self.escape(fold_case=fold_case)
        if character in "*+?{":
            raise UntranslatableError("a repetition of nothing")
        return _literal(character, fold_case=fold_case)

    def group(self, *, fold_case: bool) -> list[_Branch]:
        self.take()
        if self.rest.startswith("?:"):
            self.rest = self.rest[2:]
        elif self.rest.startswith("?"):
            raise UntranslatableError("a look-around or a named group")
        branches = self.alternatives(fold_case=fold_case)
        if self.take() != ")":
            raise UntranslatableError("an unbalanced parenthesis")
        return branches

    def escape(self, *, fold_case: bool) -> str:
        character = self.take()
        if character in _CLASSES:
            return _bracket(set(_CLASSES[character]), negated=False)
        if character in _NEGATED_CLASSES:
            return _bracket(set(_NEGATED_CLASSES[character]), negated=True)
        return _literal(self.escaped(character), fold_case=fold_case)

    def escaped(self, character: str) -> str:
        if character in _CONTROL:
            return _CONTROL[character]
        if character == "x":
            return chr(int(self.take() + self.take(), 16))
        if character == "0":
            return "\0"
        if character.isalnum():
            raise UntranslatableError(f"the escape \\{character}")
        return character

    def bracket(self, *, fold_case: bool) -> str:
        negated = self.rest.startswith("^")
        if negated:
            self.take()
        members: set[str] = set()
        first = True
        while first or not self.rest.startswith("]"):
            first = False
            character = self.take()
            if character == "[" and self.rest[:1] in {":", ".", "="}:
                raise UntranslatableError("a named class in brackets")
            if character == "\\":
                character = self.take()
                if character in _CLASSES:
                    members |= _CLASSES[character]
                    continue
                if character in _NEGATED_CLASSES:
                    raise UntranslatableError("a negated class in brackets")
                character = self.escaped(character)
            if self.rest.startswith("-") and not self.rest.startswith("-]"):
                self.take()
                last = self.take()
                if last == "\\":
                    last = self.escaped(self.take())
                if not self._is_range(character, last):
                    raise UntranslatableError("a range in brackets that runs backwards")
                members |= {chr(code) for code in range(ord(character), ord(last) + 1)}
            else:
                members.add(character)
        self.take()
        if any(ord(member) >= _ASCII for member in members):
            raise UntranslatableError("brackets hold a character of several bytes")
        # Strings of Nix hold no NUL.
        members.discard("\0")
        if fold_case:
            members |= {member.swapcase() for member in members}
        return _bracket(members, negated=negated)

    @staticmethod
    def _is_range(first: str, last: str) -> bool:
        return ord(first) <= ord(last)


def _literal(character: str, *, fold_case: bool) -> str:
    if character == "\0":
        raise UntranslatableError("a NUL, which no string of Nix holds")
    if fold_case and character.swapcase() != character:
        return f"[{character.swapcase()}{character}]"
    return "\\" + character if character in _SPECIAL else character


def _following(character: str) -> str | None:
    """Return the next letter or digit: `0-9`, `A-Z` and `a-z` are the ranges that people read."""
    following = chr(ord(character) + 1)
    return following if character.isalnum() and following.isalnum() else None


def _bracket(members: set[str], *, negated: bool) -> str:
    r"""Write a set the way POSIX reads it: ``]`` first, ``-`` last, ``^`` never first, ``\`` itself."""
    if members == {"^"} and not negated:
        return "\\^"
    plain = sorted(members - set("]^[-"))
    text = "]" if "]" in members else ""
    start = 0
    while start < len(plain):
        end = start
        while end + 1 < len(plain) and plain[end + 1] == _following(plain[end]):
            end += 1
        run = plain[start : end + 1]
        if len(run) >= _SHORTEST_RANGE:
            text += f"{run[0]}-{run[-1]}"
        else:
            text += "".join(run)
        start = end + 1
    text += "".join(character for character in "^[" if character in members)
    if "-" in members:
        text += "-"
    return f"[{'^' if negated else ''}{text}]"
