-- settle.lua: records what became of serials. Also late, and also from a worker
-- that lost its lease: an answer is true whoever brings it. Repeating a call
-- changes nothing.
-- ARGV: now, token ("" when not a worker), groups (msgpack), each
--       id, group, serial, verdict, lock, detail, sentence, delay_ms, spent
-- verdict: accepted (detail = message id) | failed (detail = code, sentence) |
--          retry (due after delay_ms) |
--          back (handed back, unsent: only what is reserved under the token) |
--          cancel (detail = why: nobody is left to write to; likewise) |
--          unknown (detail = code) | hold | ask (a person wants it again)
-- spent: attempts that a serial proven unsent cost; a serial that was taken costs one
-- returns for each group: 1 recorded | 0 nothing to change
-- needs: deliveries
local token = ARGV[2]
local EXTRA = 1 -- flag: a further message id is kept
local EVERYBODY = 0xFFFF -- mask: all members are left out
-- Longer than the slack (5 s) of a provider search for an unknown neighbour.
local LOCK_AFTER_ACCEPT_MS = 10 * 1000

local settled, unlock, shorten, relock, awaiting = {}, {}, {}, {}, {}

local function member(item) return item.campaign.id .. '|' .. item.group end

-- Leaves whatever list the group was in before its state changed.
local function leave(item, r)
  local from = standing(item.campaign, r)
  if from == STATE.unknown or from == STATE.held then
    redis.call('ZREM', KEY.unknown, member(item))
  elseif from == STATE.retry or from == STATE.pending or from == STATE.cancelled then
    redis.call('ZREM', key('due', item.campaign.load), item.group)
  elseif from == STATE.failed then
    redis.call('HINCRBY', key('errors', item.campaign.load), r.tail, -1)
    redis.call('HDEL', key('why', item.campaign.load), item.group)
  end
end

local function change(item, r, event, tail)
  leave(item, r)
  move(item.campaign, item.group, r, event)
  r.tail = tail
end

local function extra_key(item) return key('extra', item.campaign.load) end

local function keep_extra(item, r)
  local name = item.group .. ':' .. item.serial
  if redis.call('HSETNX', extra_key(item), name, item.detail) == 0 then return 0 end
  item.campaign.doubled = item.campaign.doubled + 1
  r.flags = bit.bor(r.flags, EXTRA)
  item.campaign.dirty[item.group] = r
  return 1
end

-- The message id kept for a serial, which is not a further one any more; nil if none is.
local function take_extra(item, r, serial)
  if bit.band(r.flags, EXTRA) == 0 then return end
  local name = item.group .. ':' .. serial
  local id = redis.call('HGET', extra_key(item), name)
  if not id then return end
  redis.call('HDEL', extra_key(item), name)
  item.campaign.doubled = item.campaign.doubled - 1
  return id
end

-- An unresolved group's lock is its own until it expires. Later, or once the group
-- was settled, another message to the same people may hold it. One that was taken and
-- whose id nobody knows is searched for, so that its lock stays, too.
local function holds_lock(r)
  local unresolved = r.state == STATE.sending or r.state == STATE.unknown
    or r.state == STATE.held or (r.state == STATE.accepted and r.tail == '')
  return unresolved and NOW < r.gated_at + LOCK_MS
end

local function free_lock(item, r)
  if holds_lock(r) then unlock[#unlock + 1] = item.lock end
end

-- From now on callbacks are due for each member that it went to.
local function expect_deliveries(item, r)
  local campaign, expected = item.campaign, TALLY[RANK.awaiting]
  local size = size_of(campaign, item.group)
  local left = size
  if r.dropped > 0 then
    for member = 0, size - 1 do
      if is_dropped(r, member) then left = left - 1 end
    end
  end
  campaign[expected] = campaign[expected] + left
  awaiting[campaign] = awaiting[campaign] or {}
  awaiting[campaign][math.floor(item.group / CHUNK)] = true
end

local function relax_lock(item, r)
  local list = holds_lock(r) and shorten or relock
  list[#list + 1] = item.lock
end

local function accept(item, r, id, serial)
  if id ~= '' then relax_lock(item, r)
  elseif serial == r.serial then doubt(item.campaign, item.group, r) end
  r.dropped = dropped_at(item.campaign, item.group, r, serial)
  r.attempts = math.min(255, r.attempts + 1)
  change(item, r, 'accept', id)
  expect_deliveries(item, r)
  return 1
end

-- An earlier serial was proven taken while this one was on its way, and this one was
-- not taken, or nobody ever learns: the group is accepted once, not doubled.
local function settle_by_extra(item, r)
  if bit.band(r.flags, EXTRA) == 0 then return end
  for serial = 1, r.serial - 1 do
    local id = take_extra(item, r, serial)
    if id then return accept(item, r, id, serial) end
  end
end

local function is_running_out(campaign)
  local judged = campaign.accepted + campaign.failed
  return campaign.error_threshold > 0 and judged >= 100 and campaign.state == 'running'
    and campaign.failed / judged > campaign.error_threshold
end

local function waits_again(item, event)
  local r = item.record
  if item.campaign.state == 'cancelled' then
    -- Counted as cancelled by standing(); the record keeps why it was not sent.
    change(item, r, event, item.detail)
    item.campaign[NAME[r.state]] = item.campaign[NAME[r.state]] - 1
    item.campaign.cancelled = item.campaign.cancelled + 1
    return
  end
  change(item, r, event, item.detail)
  queue(item.campaign, item.group, NOW + item.delay)
end

local verdicts = {}

function verdicts.accepted(item, r)
  local newest = item.serial == r.serial
  if r.state == STATE.accepted then
    if item.detail == '' or item.detail == r.tail then return 0 end
    if r.tail ~= '' or not newest then return keep_extra(item, r) end
    relax_lock(item, r)
    r.tail = item.detail
    item.campaign.dirty[item.group] = r
    return 1
  end
  -- A newer serial is on its way: two may arrive.
  if r.state == STATE.sending and not newest then return keep_extra(item, r) end
  -- Proven once more: every callback does that.
  local id = take_extra(item, r, item.serial) or item.detail
  return accept(item, r, id, item.serial)
end

-- Everything but proof of acceptance settles only its own serial.
local function is_current(item, r)
  return item.serial == r.serial and (r.state == STATE.sending
    or r.state == STATE.unknown or r.state == STATE.held)
end

local function unsent(item, r, event)
  if not is_current(item, r) then return 0 end
  if settle_by_extra(item, r) then return 1 end
  free_lock(item, r)
  r.attempts = math.min(255, r.attempts + item.spent)
  if event == 'fail' then
    change(item, r, 'fail', item.detail)
    redis.call('HINCRBY', key('errors', item.campaign.load), item.detail, 1)
    if item.sentence ~= '' then
      redis.call('HSET', key('why', item.campaign.load), item.group, item.sentence)
    end
    if is_running_out(item.campaign) then
      item.campaign.state, item.campaign.reason = 'paused', 'error threshold'
      make_idle(item.campaign)
    end
  else waits_again(item, 'retry') end
  return 1
end

function verdicts.failed(item, r) return unsent(item, r, 'fail') end
function verdicts.retry(item, r) return unsent(item, r, 'retry') end

-- Handed back by a worker that may not know whether its gate call ran: so only
-- what still carries its token can be meant.
function verdicts.back(item, r)
  if r.tail ~= token then return 0 end
  if r.state == STATE.claimed then
    waits_again(item, r.gated_at == 0 and 'return_fresh' or 'return_tried')
    return 1
  end
  return r.state == STATE.sending and unsent(item, r, 'retry') or 0
end

function verdicts.cancel(item, r)
  if r.state ~= STATE.claimed or r.tail ~= token then return 0 end
  if item.serial ~= r.serial then return 0 end
  r.dropped = EVERYBODY
  change(item, r, 'cancel', item.detail)
  return 1
end

function verdicts.unknown(item, r)
  if r.state ~= STATE.sending or item.serial ~= r.serial then return 0 end
  change(item, r, 'lose', item.detail)
  redis.call('ZADD', KEY.unknown, whole(NOW), member(item))
  doubt(item.campaign, item.group, r)
  return 1
end

function verdicts.hold(item, r)
  if r.state ~= STATE.unknown or item.serial ~= r.serial then return 0 end
  if settle_by_extra(item, r) then return 1 end
  change(item, r, 'hold', r.tail)
  return 1
end

function verdicts.ask(item, r)
  if r.state ~= STATE.failed and r.state ~= STATE.held then return 0 end
  if item.serial ~= r.serial then return 0 end
  free_lock(item, r)
  r.attempts = 0
  waits_again(item, 'ask')
  return 1
end

local items = {}
for i, row in ipairs(cmsgpack.unpack(ARGV[3])) do
  items[i] = {
    campaign = open(row[1]), group = row[2], serial = row[3], verdict = row[4],
    lock = row[5], detail = row[6], sentence = row[7], delay = row[8], spent = row[9],
  }
end
prefetch_items(items)

-- What workers were told instead of an acceptance; mishaps.py.
local MISHAPS = { failed = true, retry = true, unknown = true }
local LATEST = 20 -- kept of each campaign
local mishaps = {}

local function note_mishap(item)
  local lines = mishaps[item.campaign] or {}
  mishaps[item.campaign] = lines
  lines[#lines + 1] = string.format('%.0f|%d|%s|%s', NOW, item.group, item.verdict, item.detail)
end

local answers = {}
for i, item in ipairs(items) do
  answers[i] = 0
  if item.campaign then
    item.record = record(item.campaign, item.group)
    answers[i] = verdicts[item.verdict](item, item.record)
    if answers[i] == 1 and token ~= '' and MISHAPS[item.verdict] then note_mishap(item) end
    -- What still carries the token must stay where lapse.lua finds it.
    local reserved = item.record.tail == token
      and (item.record.state == STATE.claimed or item.record.state == STATE.sending)
    if not reserved then settled[#settled + 1] = member(item) end
  end
end

if token ~= '' and #settled > 0 then
  redis.call('SREM', key('claim', token), unpack(settled))
end
if #unlock > 0 then redis.call('ZREM', KEY.locks, unpack(unlock)) end
local locked_until = whole(NOW + LOCK_AFTER_ACCEPT_MS)

local function with_end(locks)
  local row = {}
  for _, lock in ipairs(locks) do
    row[#row + 1] = locked_until
    row[#row + 1] = lock
  end
  return row
end

if #shorten > 0 then redis.call('ZADD', KEY.locks, unpack(with_end(shorten))) end
-- Never shorter than another's lock on the same people.
if #relock > 0 then redis.call('ZADD', KEY.locks, 'GT', unpack(with_end(relock))) end
local expected = {}
for campaign, chunks in pairs(awaiting) do
  for chunk in pairs(chunks) do
    expected[#expected + 1] = whole(NOW)
    expected[#expected + 1] = campaign.id .. '|' .. chunk
  end
end
if #expected > 0 then redis.call('ZADD', KEY.awaiting, 'NX', unpack(expected)) end
flush()
for campaign, lines in pairs(mishaps) do
  redis.call('LPUSH', key('mishaps', campaign.load), unpack(lines))
  redis.call('LTRIM', key('mishaps', campaign.load), 0, LATEST - 1)
end
return answers
