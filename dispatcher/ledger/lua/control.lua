-- control.lua: pause, resume or cancel a campaign, or vouch for one.
-- ARGV: now, id, command (pause | resume | cancel | vouch), reason,
--       group whose refusal asks for the pause ("": in any case)
-- returns: the campaign's state and reason afterwards; {} for an unknown id.
-- A command that does not fit the state changes nothing: the caller compares.
-- needs: closed
local id, command, reason = ARGV[2], ARGV[3], ARGV[4]
local refused = tonumber(ARGV[5])
local campaign = open(id)
if not campaign then return {} end

local commands = {}

-- A refusal of what was sent before a person resumed says nothing of what they mended.
local function is_outdated()
  return refused and record(campaign, refused).gated_at < campaign.resumed_at
end

function commands.pause()
  if is_outdated() then return end
  campaign.state, campaign.reason = 'paused', reason
  make_idle(campaign)
end

-- What a ledger that was set back says of a campaign must be looked at first.
function commands.resume()
  if campaign.reason == SET_BACK then return end
  campaign.state, campaign.reason, campaign.resumed_at = 'running', '', NOW
  if campaign.starts_at > NOW then
    campaign.state = 'scheduled'
    make_later(campaign, campaign.starts_at)
  else join(campaign) end
end

-- Somebody looked: it may be resumed, once all children that live were heard.
function commands.vouch()
  if quiet_ms(redis.call('HGET', KEY.identity, 'until')) > 0 then return end
  if campaign.reason == SET_BACK then campaign.reason = reason end
end

function commands.cancel()
  cancel(campaign, reason)
end

if CAMPAIGN_MOVE[command][campaign.state] then
  commands[command]()
  flush()
end
return { campaign.state, campaign.reason }
