-- Reserves a place in every window, or, if a bound that refuses has no room, in none.
-- KEYS  the instance, its places, then the windows
-- ARGV  id of the place, lease in seconds, then for each window:
--       every, width, age of its reset (-1: there is none), amount, number of bounds, and
--       for each of those: max, refuses (0 or 1)
-- Returns second, 1 if reserved, 0 if not, -1 if the instance is not known here: what it
-- has counted is not in the windows. Then for each window: used, and for each bound: 0 if
-- it has room, else in how many seconds it may have, or -1 if that is not known.
local t, lease = now(), tonumber(ARGV[2])
if redis.call('EXISTS', KEYS[1]) == 0 then
  return {t, -1}
end
local reply, refused, at = {t, 1}, false, 3
local lapses, fresh = {}, {}

local function frees(key, first, every, width, need)
  local freed = 0
  for n = first or 1, first and math.floor(t / width) or 0 do
    freed = freed + (tonumber(redis.call('HGET', key, 'c' .. n)) or 0)
    if freed >= need then
      return (n + 1) * width + every - t
    end
  end
  return -1
end

for k = 3, #KEYS do
  local every, width, since = tonumber(ARGV[at]), tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2])
  local amount, bounds = tonumber(ARGV[at + 3]), tonumber(ARGV[at + 4])
  local sum, reserved, first, known, lapse = open(KEYS[k], t, every, width, lease)
  lapses[k] = lapse
  fresh[k] = reserved == 0 or every < lease -- or else what is under way already keeps the window
  if since >= 0 then
    sum, first = reset(KEYS[k], t, every, width, sum, first, known, t - since)
  end
  local used = sum + reserved
  reply[#reply + 1] = used
  for b = 1, bounds do
    local excess = used + amount - tonumber(ARGV[at + 3 + 2 * b])
    if excess > 0 then
      reply[#reply + 1] = frees(KEYS[k], first, every, width, excess)
      refused = refused or ARGV[at + 4 + 2 * b] == '1'
    else
      reply[#reply + 1] = 0
    end
  end
  at = at + 5 + 2 * bounds
end

if refused then
  reply[2] = 0
  return reply
end

local lapse = math.floor((t + lease) / grain) + 1
at = 3
for k = 3, #KEYS do
  reserve(KEYS[k], lapse, lapses[k], ARGV[at + 3])
  if fresh[k] then
    keep(KEYS[k], tonumber(ARGV[at]), tonumber(ARGV[at + 1]), lease)
  end
  at = at + 5 + 2 * tonumber(ARGV[at + 4])
end
redis.call('HSET', KEYS[2], ARGV[1], lapse)
redis.call('EXPIRE', KEYS[2], 10 * lease)
return reply
