"""Who is in an audience: some of its members, in any form, and audiences that are kept."""
