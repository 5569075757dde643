"""Agents of STM-v0, STMBuild-v0 and STMTip-v0."""
