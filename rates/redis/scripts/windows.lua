-- What all scripts begin with. A window is what one key did in the last so many
-- seconds, a hash:
--   s      what left and still counts
--   f      the first cell that may count
--   c<N>   what left in cell N, the seconds from N * width on
--   r      what is reserved for messages under way
--   g      the first lapse that may be due
--   p<N>   what is reserved until second N * grain, when it lapses
--   z      the second at which somebody reset it: what left until then does not count
-- Sums are kept, not added up, so that a message costs the same however long its
-- windows are. Amounts stay strings on their way to HINCRBY, which reckons with 64
-- bits where Lua has 53.
local grain = 15

local function now()
  return tonumber(redis.call('TIME')[1])
end

-- shed takes the cells before alive out of a sum, and returns what is left of it. The
-- change of the sum comes first: with no memory left Redis refuses the first write of a
-- script, or none.
local function shed(key, field, first, cell, sum, from, alive, most)
  for n = from, math.min(alive, from + most) - 1 do
    local amount = redis.call('HGET', key, cell .. n)
    if amount then
      if amount ~= '0' then
        sum = redis.call('HINCRBY', key, field, '-' .. amount)
      end
      redis.call('HDEL', key, cell .. n)
    end
  end
  redis.call('HSET', key, first, alive)
  return sum
end

-- open brings a window up to date and returns its two sums, its first cell, when it was
-- reset, and its first lapse. A cell counts until its last second is as old as the window is long.
local function open(key, t, every, width, lease)
  local v = redis.call('HMGET', key, 's', 'f', 'r', 'g', 'z')
  local sum, first = tonumber(v[1]) or 0, tonumber(v[2])
  local reserved, lapse = tonumber(v[3]) or 0, tonumber(v[4])
  local alive = math.floor((t - every) / width)
  if first and first < alive then
    sum = shed(key, 's', 'f', 'c', sum, first, alive, math.ceil(every / width) + 2)
    first = alive
  end
  local due = math.floor(t / grain) + 1
  if lapse and lapse < due then
    reserved = shed(key, 'r', 'g', 'p', reserved, lapse, due, math.ceil(lease / grain) + 3)
    lapse = due
  end
  return sum, reserved, first, tonumber(v[5]) or 0, lapse
end

-- reset has nothing count that left until a second, with all of that second's cell. Ages
-- are told in whole seconds, so the same reset may come a little later the next time.
local function reset(key, t, every, width, sum, first, known, at)
  if at <= known + 2 then
    return sum, first
  end
  redis.call('HSET', key, 'z', at)
  local alive = math.floor(at / width) + 1
  if first and first < alive then
    sum = shed(key, 's', 'f', 'c', sum, first, alive, math.ceil(every / width) + 2)
    first = alive
  end
  return sum, first
end

-- reserve puts an amount to what lapses at a cell.
local function reserve(key, lapse, first, amount)
  redis.call('HINCRBY', key, 'r', amount)
  redis.call('HINCRBY', key, 'p' .. lapse, amount)
  if not first or lapse < first then
    redis.call('HSET', key, 'g', lapse)
  end
end

-- keep has a window live as long as anything of it can count.
local function keep(key, every, width, lease)
  redis.call('EXPIRE', key, every + width + lease + 2 * grain)
end
