"""The clients against the servers that the world runs: nginx, postfix, dovecot, and more.

Each server has a file that writes its configuration and starts it (`nginx.py`), and a file
of tests (`test_http_nginx.py`). Every server listens on loopback only, on a port of its
own, and works in a temporary directory; of the machine's own configuration nothing is used
or changed. The packages are in packages.txt; `.ci/install-daemons` installs them.
"""
