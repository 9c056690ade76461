"""The gRPC service: converts messages, authorises calls and hands them to the engine.

No rule and no storage logic lives here. Every call takes the same way: raw bytes come in,
are decoded, authorised and handed to one method of one service; whatever is raised on the
way leaves through the error table.
"""
