"""The rows of a report, as frozen types; each module defines one part."""
