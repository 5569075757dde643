"""Instruments: batched simulators and recorded scans; controls in, measurement and ledger out."""
