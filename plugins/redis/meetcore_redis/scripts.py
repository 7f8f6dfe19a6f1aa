"""What the broker does in one step, in its own language.

Keys of one bot share a hash tag, so that they are on one node of a cluster.
"""

from __future__ import annotations

__all__ = ["ASK", "CLAIM", "LEAVE", "NOW", "PUBLISH", "SPEND"]

CLAIM = """
-- KEYS claim, asked, events; ARGV keep_ms. Whoever claims publishes its journal from the start.
-- A claim is never smaller than the broker's clock: one made after the broker lost its memory is
-- still newer than those before.
local now = redis.call('TIME')
local number = math.max(tonumber(redis.call('GET', KEYS[1]) or '0') + 1,
                        now[1] * 1000 + math.floor(now[2] / 1000))
redis.call('SET', KEYS[1], string.format('%.0f', number), 'PX', ARGV[1])
redis.call('DEL', KEYS[3])
local at = redis.call('XADD', KEYS[2], 'MAXLEN', '~', '1000', '*', 'claim', '1')
redis.call('PEXPIRE', KEYS[2], ARGV[1])
return {string.format('%.0f', number), at}
"""

PUBLISH = """
-- KEYS claim, events, alive; ARGV claim, alive_ms, keep_ms, then id, field, content of each item.
local newest, mine = tonumber(redis.call('GET', KEYS[1]) or '0'), tonumber(ARGV[1])
if newest > mine then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[3])
for i = 4, #ARGV, 3 do
  local added = redis.pcall('XADD', KEYS[2], ARGV[i], ARGV[i + 1], ARGV[i + 2])
  if type(added) == 'table' and added.err and not string.find(added.err, 'equal or smaller') then
    return redis.error_reply(added.err)
  end
end
if #ARGV > 3 then redis.call('PEXPIRE', KEYS[2], ARGV[3]) end
redis.call('SET', KEYS[3], ARGV[1], 'PX', ARGV[2])
return 1
"""

ASK = """
-- KEYS asked; ARGV keep_ms, most, id, content, left_ms. A bot may run for longer than nobody asks
-- anything. Until when the answer is waited for is said by the broker's clock.
local now = redis.call('TIME')
local at = now[1] * 1000 + math.floor(now[2] / 1000) + tonumber(ARGV[5])
redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[2], '*', 'id', ARGV[3], 'content', ARGV[4],
           'until', string.format('%.0f', at))
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return 1
"""

NOW = """
-- The broker's clock, in milliseconds.
local now = redis.call('TIME')
return string.format('%.0f', now[1] * 1000 + math.floor(now[2] / 1000))
"""

LEAVE = """
-- KEYS claim, alive, asked; ARGV claim.
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[2], KEYS[3]) end
return 1
"""

SPEND = """
-- KEYS account; ARGV per_s, burst. What is there is (when it was counted, how much it was).
local now = redis.call('TIME')
local at = now[1] + now[2] / 1000000
local per_s, burst = tonumber(ARGV[1]), tonumber(ARGV[2])
local known = redis.call('HMGET', KEYS[1], 'at', 'left')
local left = burst
if known[1] then
  left = math.min(burst, tonumber(known[2]) + math.max(0, at - tonumber(known[1])) * per_s)
end
local wait = '0'
if left >= 1 then left = left - 1 else wait = string.format('%.6f', (1 - left) / per_s) end
redis.call('HSET', KEYS[1], 'at', string.format('%.6f', at), 'left', string.format('%.6f', left))
redis.call('PEXPIRE', KEYS[1], math.ceil(burst / per_s * 1000) + 1000)
return wait
"""
