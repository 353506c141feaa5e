"""Ask pip-audit whether an installed package has a known vulnerability: exit 1 if so. Without a network it says so, and passes."""

import json
import subprocess
import sys

COMMAND = ("-m", "pip_audit", "--local", "--skip-editable", "--progress-spinner", "off", "--format", "json", "--timeout", "5")
PATIENCE_SECONDS = 30


def main() -> str:
    """Return what is to be said, with ``audit: `` before it where something was found."""
    try:
        done = subprocess.run(
            [sys.executable, *COMMAND], capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return f"dependencies were not audited: no answer within {PATIENCE_SECONDS} s"
    try:
        packages = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        # Both a finding and a failure exit with 1: only what was found comes as JSON.
        why = (done.stderr.strip().splitlines() or ["no answer"])[-1]
        return f"dependencies were not audited: {why[:200]}"
    audited = [package for package in packages if "vulns" in package]
    if not audited:
        return f"dependencies were not audited: the vulnerability service knows none of {len(packages)} packages"
    found = [
        f"{package['name']} {package['version']}: {vulnerability['id']}, mended in {', '.join(vulnerability['fix_versions']) or 'no version yet'}"
        for package in audited
        for vulnerability in package["vulns"]
    ]
    if found:
        return "audit: known vulnerabilities:\n  " + "\n  ".join(found)
    return f"{len(audited)} dependencies audited, {len(packages) - len(audited)} unknown to the service: no known vulnerability"


if __name__ == "__main__":
    said = main()
    print(said)
    sys.exit(said.startswith("audit: "))
