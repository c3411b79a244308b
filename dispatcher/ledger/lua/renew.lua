-- renew.lua: a child that lives says so: its leases and its heartbeat.
-- ARGV: now, child, lease_ms, in_shift ("1"), then the tokens it still holds
-- returns: 1
-- A lease that already lapsed is renewed too: its groups were taken back under
-- the token's name, so nothing is left to protect, and a late one is refused by
-- the gate because the record no longer carries the token.
local child, lease_ms = ARGV[2], tonumber(ARGV[3])
redis.call('ZADD', KEY.children, whole(NOW), child)
if ARGV[4] == '1' then redis.call('ZADD', KEY.shifts, whole(NOW), child)
else redis.call('ZREM', KEY.shifts, child) end
for at = 5, #ARGV do
  redis.call('ZADD', KEY.leases, 'XX', whole(NOW + lease_ms), ARGV[at])
end
return 1
