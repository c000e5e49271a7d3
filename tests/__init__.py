"""The tests, and what they share."""

import signal

# What a shell starts in the background ignores Ctrl-C, and so does all that it starts: then
# nothing could be seen to end by it.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
