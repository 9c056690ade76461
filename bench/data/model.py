"""The model of the people, with segments where they are wanted."""

from __future__ import annotations

__all__ = ["HEAD", "SOURCE"]

SOURCE = "people"

HEAD = """\
time_zone: UTC
identifiers:
  person: {per_profile: 1}
attributes:
  industry: {type: category}
  region: {type: category}
  title: {type: category}
  stage: {type: category}
  age: {type: int}
  company_size: {type: int}
  revenue: {type: decimal, scale: 2}
  joined: {type: time}
  last_seen: {type: time}
sources:
  people:
    identify: {person: id}
    attributes: {industry: industry, region: region, title: title, stage: stage, age: age,
                 company_size: company_size, revenue: revenue, joined: joined, last_seen: last_seen}
    tags: tags
"""
