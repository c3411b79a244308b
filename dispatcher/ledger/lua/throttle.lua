-- throttle.lua: the provider answered 429: the whole account pauses.
-- ARGV: now, retry_after_ms ("" = the provider named none)
-- returns: ms to pause from now
-- 100 ms at first, doubling while 429s go on, at most a minute. Answers that
-- belong to the same storm (they come while it is paused) do not double it again.
local FIRST_MS, MOST_MS = 100, 60000
local asked = tonumber(ARGV[2])
local stored = redis.call('HMGET', KEY.throttle, 'until', 'step')
local till, step = tonumber(stored[1]) or 0, tonumber(stored[2]) or 0
if asked then till = math.max(till, NOW + asked)
elseif till <= NOW then
  step = step == 0 and FIRST_MS or math.min(step * 2, MOST_MS)
  till = NOW + step
end
redis.call('HSET', KEY.throttle, 'until', whole(till), 'step', step)
redis.call('PEXPIRE', KEY.throttle, till - NOW + MOST_MS)
return till - NOW
