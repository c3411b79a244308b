"""The ledger: what is stored in Redis, how, and by which atomic steps.

`keys` names every key, `states` holds the legal transitions as data, `codec`
packs, `lua/` holds the atomic steps, `calls` types them, `ledger` runs them.
"""
