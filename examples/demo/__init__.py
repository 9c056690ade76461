"""The demo: exact counts over real and synthetic customers, through gRPC.

__main__   the order of things, and cleaning up
cdnow      23,570 real customers, fetched
people     a million synthetic customers, made
serving    the server process while it is needed
terminal   commands, shown as they are typed and then run
tour       the questions that are asked
changes    a watcher, and what it is told
promote    a program of its own that writes to customers
"""
