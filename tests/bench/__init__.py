"""A benchmark: our clients, the standard library's, curl, and a bare loop on a socket; and
wget and lftp where they are installed.

    python -m tests.bench                     every item at full size: some ten minutes
    python -m tests.bench --scale 0.01        smaller
    python -m tests.bench --item pop3-retr    one item
    python -m tests.bench --rtt 20ms          as if the server were in another country
    python -m tests.bench --daemons           against real servers, as root
    python -m tests.bench --json FILE --page FILE

Only ratios of one run mean something: machines differ, and have moods. So the contestants
take turns, each in a process of its own, and the medians of all rounds are compared.

    items.py        what is measured: a table
    content.py      what the servers say, rendered before anybody asks
    servers.py      servers that do nothing but receive and send
    daemons.py      real servers in their place: nginx, vsftpd, smtp-sink, Dovecot, INN
    relay.py        a longer way between client and server
    contestant.py   the process of one contestant: a clock around one job
    ours.py library.py bare.py                the jobs, a function for each item
    processes.py    the jobs by curl, wget and lftp, a command line for each item
    rounds.py       who runs when, and what came out
    table.py page.py                          the results, to be read
"""
