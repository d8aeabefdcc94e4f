-- Takes over what happened at an instance since its last batch, exactly once: a batch
-- is known by its number, so that one whose reply was lost can be sent again.
-- KEYS  the instance, its places, then the windows
-- ARGV  owner, number of the batch, lease, how long the instance is remembered,
--       age in seconds of the oldest thing that no batch has yet (-1: more are to come),
--       then for each window: every, width
--       then the number of places that end, and for each: id, number of windows,
--         and for each of those: index in KEYS, amount
--       then the same for places that are renewed
--       then the number of counts, and for each: index in KEYS, age in seconds, amount
--       then the number of windows whose whole history is here now, and their names
-- Returns second, and "ok", "again", or what keeps it from being taken over: "lost"
-- (the instance is not known), "fenced" (somebody else has its name), "gap".
local t, lease = now(), tonumber(ARGV[3])
local was = redis.call('HMGET', KEYS[1], 'owner', 'seq')
if not was[1] then
  return {t, 'lost'}
elseif was[1] ~= ARGV[1] then
  return {t, 'fenced'}
elseif was[2] == ARGV[2] then
  return {t, 'again'}
elseif tonumber(was[2]) + 1 ~= tonumber(ARGV[2]) then
  return {t, 'gap'}
end

local at = 5
local function arg()
  at = at + 1
  return ARGV[at]
end

local every, width, first, since, lapses = {}, {}, {}, {}, {}
for k = 3, #KEYS do
  every[k], width[k] = tonumber(arg()), tonumber(arg())
end
for k = 3, #KEYS do
  local _
  _, _, first[k], since[k], lapses[k] = open(KEYS[k], t, every[k], width[k], lease)
end

-- release takes a place's amount out of a window, unless it has lapsed. Of a window that
-- was lost meanwhile there may be less than that.
local function release(k, lapse, amount)
  local cell = 'p' .. lapse
  local left = redis.call('HINCRBY', KEYS[k], cell, '-' .. amount)
  if left <= 0 then
    redis.call('HDEL', KEYS[k], cell)
  end
  local there = tonumber(amount) + math.min(left, 0)
  if there > 0 then
    redis.call('HINCRBY', KEYS[k], 'r', -there)
  end
  return there > 0
end

local function places(each)
  for _ = 1, tonumber(arg()) do
    local id = arg()
    local lapse = redis.call('HGET', KEYS[2], id)
    for _ = 1, tonumber(arg()) do
      local k, amount = tonumber(arg()), arg()
      if lapse then
        each(k, lapse, amount)
      end
    end
    if lapse then
      each(nil, id)
    end
  end
end

-- What ends and what counts instead of it are one change: nobody sees one without the other.
places(function(k, lapse, amount)
  if k then
    release(k, lapse, amount)
  else
    redis.call('HDEL', KEYS[2], lapse)
  end
end)

local later = math.floor((t + lease) / grain) + 1
places(function(k, lapse, amount)
  if not k then
    redis.call('HSET', KEYS[2], lapse, later)
  elseif release(k, lapse, amount) then
    reserve(KEYS[k], later, lapses[k], amount)
  end
end)

for _ = 1, tonumber(arg()) do
  local k, age, amount = tonumber(arg()), tonumber(arg()), arg()
  local cell = math.floor((t - age) / width[k])
  if cell >= math.floor((t - every[k]) / width[k]) and t - age > since[k] then
    redis.call('HINCRBY', KEYS[k], 's', amount)
    redis.call('HINCRBY', KEYS[k], 'c' .. cell, amount)
    if not first[k] or cell < first[k] then
      first[k] = cell
      redis.call('HSET', KEYS[k], 'f', cell)
    end
  end
end

for _ = 1, tonumber(arg()) do
  redis.call('HSET', KEYS[1], 'window:' .. arg(), 1)
end
for k = 3, #KEYS do
  keep(KEYS[k], every[k], width[k], lease)
end
redis.call('HSET', KEYS[1], 'seq', ARGV[2], 'at', t)
if ARGV[5] ~= '-1' then -- below that it lies ahead: the process is about to end
  redis.call('HSET', KEYS[1], 'through', t - tonumber(ARGV[5]))
end
redis.call('EXPIRE', KEYS[1], ARGV[4])
return {t, 'ok'}
