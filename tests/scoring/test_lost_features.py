"""A champion of features that the source no longer has: it does not hold up other targets, and nobody overlooks it."""

from dataclasses import replace

import pytest

from registered import make_champion
from tenure.core.errors import DataContractError, NotEnoughDataError, RegistryError
from tenure.core.workspace import Workspace
