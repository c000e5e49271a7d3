"""Telnet by our client and by `telnetlib`, which left the standard library with 3.13.

The methods have the same names, so most of a job is the same on both sides. Two things
differ: `read_until` of `telnetlib` returns what there is when the time is over, as if that
were enough; and options it refuses all, or leaves every octet about them to its user.
"""

import functools
import socket
from typing import Any

from protoclients import Telnet
from protoclients.telnet import DO, ECHO, IAC, IS, NAWS, SB, SE, SEND, SGA, TTYPE, WILL

from . import Job, Lab, Plain, add_job, removed_module

telnetlib = removed_module("telnetlib")

JOBS: list[Job] = []
job = functools.partial(add_job, JOBS, "telnet", "protoclients.Telnet", "telnetlib.Telnet")


def log_in_by_hand(telnet: Telnet, lab: Lab) -> None:
    telnet.read_until(b"login: ")
    telnet.write(lab.telnet.user.encode() + b"\r\n")
    telnet.read_until(b"Password: ")
    telnet.write(lab.telnet.password.encode() + b"\r\n")
    telnet.read_until(b"lab> ")


def log_in_by_library(telnet: Any, lab: Lab) -> None:
    telnet.read_until(b"login: ", 10)
    telnet.write(lab.telnet.user.encode() + b"\r\n")
    telnet.read_until(b"Password: ", 10)
    telnet.write(lab.telnet.password.encode() + b"\r\n")
    telnet.read_until(b"lab> ", 10)


@job()
class LogIn:
    """Log in, and ask for help"""

    @staticmethod
    def by_hand(lab: Lab) -> Plain:
        with Telnet(lab.telnet.host, lab.telnet.port) as telnet:
            log_in_by_hand(telnet, lab)
            telnet.write(b"help\r\n")
            return telnet.read_until(b"lab> ")

    @staticmethod
    def by_library(lab: Lab) -> Plain:
        with telnetlib.Telnet(lab.telnet.host, lab.telnet.port, 10) as telnet:
            log_in_by_library(telnet, lab)
            telnet.write(b"help\r\n")
            return telnet.read_until(b"lab> ", 10)


@job()
class WrongPassword:
    """Wrong password: only text"""

    @staticmethod
    def by_hand(lab: Lab) -> Plain:
        with Telnet(lab.telnet.host, lab.telnet.port) as telnet:
            telnet.read_until(b"login: ")
            telnet.write(lab.telnet.user.encode() + b"\r\n")
            telnet.read_until(b"Password: ")
            telnet.write(b"guess\r\n")
            return telnet.read_until(b"login: ")

    @staticmethod
    def by_library(lab: Lab) -> Plain:
        with telnetlib.Telnet(lab.telnet.host, lab.telnet.port, 10) as telnet:
            telnet.read_until(b"login: ", 10)
            telnet.write(lab.telnet.user.encode() + b"\r\n")
            telnet.read_until(b"Password: ", 10)
            telnet.write(b"guess\r\n")
            return telnet.read_until(b"login: ", 10)


@job()
class Octet255:
    """255 is doubled on the wire"""

    @staticmethod
    def by_hand(lab: Lab) -> Plain:
        with Telnet(lab.telnet.host, lab.telnet.port) as telnet:
            log_in_by_hand(telnet, lab)
            telnet.write(b"echo \xff there and back\r\n")
            return telnet.read_until(b"lab> ")

    @staticmethod
    def by_library(lab: Lab) -> Plain:
        with telnetlib.Telnet(lab.telnet.host, lab.telnet.port, 10) as telnet:
            log_in_by_library(telnet, lab)
            telnet.write(b"echo \xff there and back\r\n")
            return telnet.read_until(b"lab> ", 10)


@job()
class OptionsRefused:
    """Options: all refused"""

    @staticmethod
    def by_hand(lab: Lab) -> Plain:
        with Telnet(lab.telnet.host, lab.telnet.port) as telnet:
            log_in_by_hand(telnet, lab)
            telnet.write(b"options\r\n")
            return telnet.read_until(b"lab> ")

    @staticmethod
    def by_library(lab: Lab) -> Plain:
        with telnetlib.Telnet(lab.telnet.host, lab.telnet.port, 10) as telnet:
            log_in_by_library(telnet, lab)
            telnet.write(b"options\r\n")
            return telnet.read_until(b"lab> ", 10)


@job()
class OptionsAgreed:
    """Options: type and window"""

    @staticmethod
    def by_hand(lab: Lab) -> Plain:
        host, port, options = lab.telnet.host, lab.telnet.port, {ECHO, SGA, TTYPE, NAWS}
        with Telnet(
            host, port, agree=options, terminal="XTERM", window=(100, 30)
        ) as telnet:
            log_in_by_hand(telnet, lab)
            telnet.write(b"options\r\nterm\r\nsize\r\nexit\r\n")
            return telnet.read_all()

    @staticmethod
    def by_library(lab: Lab) -> Plain:
        with telnetlib.Telnet(lab.telnet.host, lab.telnet.port, 10) as telnet:
            telnet.set_option_negotiation_callback(functools.partial(agree, telnet))
            log_in_by_library(telnet, lab)
            telnet.write(b"options\r\nterm\r\nsize\r\nexit\r\n")
            return telnet.read_all()


def agree(telnet: Any, connection: socket.socket, command: bytes, option: bytes) -> None:
    """What `telnetlib` leaves to its user, just enough for this server.

    It keeps no state: with a server as simple it could go on for ever (RFC 1143 section 1).
    And it says little at a time, on a socket of the library's that has Nagle's algorithm
    on: what comes last waits until the server has acknowledged what went before.
    """
    verb, about = command[0], option[0]
    if verb == WILL:
        connection.sendall(bytes([IAC, DO, about]))
    elif verb == DO:
        connection.sendall(bytes([IAC, WILL, about]))
        if about == NAWS:
            connection.sendall(bytes([IAC, SB, NAWS, 0, 100, 0, 30, IAC, SE]))
    elif verb == SE and telnet.read_sb_data() == bytes([TTYPE, SEND]):
        connection.sendall(bytes([IAC, SB, TTYPE, IS]) + b"XTERM" + bytes([IAC, SE]))
