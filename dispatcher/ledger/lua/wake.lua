-- wake.lua: how many wake-ups to publish now, and when to look again.
-- ARGV: now, account_rate, daily (units a day; each "" = none), heartbeat_ms (a child
--       silent for longer is dead)
-- returns: wake-ups to publish, ms until something is due (-1: nothing known)
-- At most as many wake-ups wait as there are idle children. One that got lost is
-- forgotten after WAKE_MS; one too many finds nothing to claim and ends at once.
-- needs: buckets, closed
local account_rate, daily = tonumber(ARGV[2]), tonumber(ARGV[3])
local heartbeat_ms = tonumber(ARGV[4])
local WAKE_MS = 3000

-- Who was there before a restart is asked before anybody counts as dead.
if unsure_ms() > 0 then return { 0, unsure_ms() } end
redis.call('ZREMRANGEBYSCORE', KEY.children, '-inf', NOW - heartbeat_ms)
redis.call('ZREMRANGEBYSCORE', KEY.shifts, '-inf', NOW - heartbeat_ms)
redis.call('ZREMRANGEBYSCORE', KEY.locks, '-inf', NOW)

local wait = math.max(throttled_ms(), day_ms(daily, 1))
if account_rate then wait = math.max(wait, wait_ms(bucket('account', account_rate))) end

local has_ready = redis.call('EXISTS', KEY.ready) == 1
local next = redis.call('ZRANGE', KEY.later, 0, 0, 'WITHSCORES')
local due = next[1] and math.max(0, tonumber(next[2]) - NOW)
if has_ready then due = 0 end
if not due then return { 0, -1 } end
due = math.max(due, wait)
if due > 0 then return { 0, due } end

local idle = redis.call('ZCARD', KEY.children) - redis.call('ZCARD', KEY.shifts)
local waiting = tonumber(redis.call('GET', KEY.wakes) or 0)
local publish = math.max(0, idle - waiting)
if publish > 0 then redis.call('SET', KEY.wakes, waiting + publish, 'PX', WAKE_MS) end
return { publish, 0 }
