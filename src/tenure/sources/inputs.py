"""What each staged table is made of: its mapping, the raw files it reads, who is whom.

What has not changed is not staged again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

import sqlglot
from sqlglot import exp

from tenure.core.errors import DataContractError
from tenure.core.hashing import digest, fingerprint_file
from tenure.sources.contract import STAGED_TABLES
from tenure.sources.identities import Identities
from tenure.sources.raw_mapping import TableMapping
