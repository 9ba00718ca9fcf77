"""A program that fills the screen, for tests: a frame, the size, the last keys, the mouse on.

It runs in a session, with that session's Python. q ends it.
"""

from __future__ import annotations

import curses


def paint(screen: curses.window, keys: list[str]) -> None:
    rows, columns = screen.getmaxyx()
    screen.erase()
    screen.border()
    screen.addstr(1, 2, f"size {rows}x{columns}")
    screen.addstr(2, 2, "keys " + " ".join(keys[-8:]))
    screen.refresh()


def main(screen: curses.window) -> None:
    curses.raw()
    curses.mousemask(curses.ALL_MOUSE_EVENTS)
    keys: list[str] = []
    while True:
        paint(screen, keys)
        key = screen.getch()
        if key == ord("q"):
            break
        if key != curses.KEY_RESIZE:
            keys.append(curses.keyname(key).decode())


curses.wrapper(main)
