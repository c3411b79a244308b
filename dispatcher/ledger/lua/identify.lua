-- identify.lua: a child compares this ledger with what it remembers of it.
-- ARGV: now, child, nonce, count (what it remembers; "", 0 = nothing)
-- returns: nonce, count, id of the server's history, why (see identity.py; "" = all is
--          well), campaigns paused
-- A server that starts with its own file has the nonce, and counted at least as far as
-- any living child was told. Whatever else answers at the address has forgotten groups
-- that were let through: all campaigns wait for a person. One run, however many there
-- are, for until it is over nothing may pass.
-- needs: closed
local child, seen_nonce, seen_count = ARGV[2], ARGV[3], tonumber(ARGV[4])
local why, paused = '', 0

-- Whoever was a child before it forgot may remember more than the one that asks.
local function others() return redis.call('ZCARD', KEY.children)
  - (redis.call('ZSCORE', KEY.children, child) and 1 or 0) end

local function close() redis.call('HSET', KEY.identity, 'until', whole(NOW + QUIET_MS)) end

local function is_restarted(run) return run ~= redis.call('HGET', KEY.identity, 'run') end

local function look_at_server()
  local replid, former = replication()
  local run = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)') or ''
  if replid ~= redis.call('HGET', KEY.identity, 'replid') then
    -- It followed another primary, which may have been ahead.
    if former then why = 'another primary'
    elseif is_restarted(run) and others() > 0 then close() end
  end
  redis.call('HSET', KEY.identity, 'replid', replid, 'run', run)
end

local function look_at_memory()
  if seen_nonce == '' then return end
  local known = redis.call('HMGET', KEY.identity, 'nonce', 'count')
  if known[1] ~= seen_nonce then why = 'another ledger'
  elseif (tonumber(known[2]) or 0) < seen_count then why = 'set back' end
end

local function pause(id)
  local state = redis.call('HGET', key('campaign', id), 'state')
  if not CAMPAIGN_MOVE.distrust[state] then return end
  local campaign = open(id)
  if campaign.reason == SET_BACK then return end
  campaign.state, campaign.reason = 'paused', SET_BACK
  make_idle(campaign)
  paused = paused + 1
end

introduce()
look_at_server()
look_at_memory()
if why ~= '' then
  for _, id in ipairs(redis.call('ZRANGE', KEY.campaigns, 0, -1)) do pause(id) end
  flush()
  -- Another child may have the same proof: nobody is to resume before it was heard.
  if paused > 0 then close() end
end
local known = redis.call('HMGET', KEY.identity, 'nonce', 'count', 'replid')
return { known[1], tonumber(known[2]) or 0, known[3], why, paused }
