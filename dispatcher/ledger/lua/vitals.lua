-- vitals.lua: who works, what waits and what holds everything up, as of one moment.
-- ARGV: now, heartbeat_ms (a child silent for longer is dead)
-- returns: children, those in a shift, those that cannot reach the provider, campaigns
--          with work now, stored callbacks, 1 if somebody applies them, doubts,
--          opted-out numbers, ms for which the account pauses because of a 429
-- needs: closed
local alive = '(' .. whole(NOW - tonumber(ARGV[2]))

local function heard(name) return redis.call('ZCOUNT', name, alive, '+inf') end

local suppressed = 0
for _, scope in ipairs(redis.call('SMEMBERS', KEY.scopes)) do
  suppressed = suppressed + redis.call('HLEN', key('suppressed', scope))
end
return {
  heard(KEY.children), heard(KEY.shifts),
  redis.call('ZCOUNT', KEY.down, '(' .. whole(NOW), '+inf'),
  redis.call('ZCARD', KEY.ready), redis.call('LLEN', KEY.inbox),
  redis.call('EXISTS', KEY.applier), redis.call('ZCARD', KEY.doubts),
  suppressed, throttled_ms(),
}
