-- Sends the requests of a file in turn, as fast as they are answered. A request with @NEW-KEY@ in it
-- gets a key that no other request has. Prints what was measured in lines that wrk.py reads.
local requests, cuts, total, place, key = {}, {}, 0, 0, 0
local prefix = os.getenv("WRK_KEYS")

init = function()
  local file = assert(io.open(os.getenv("WRK_REQUESTS"), "rb"))
  while true do
    local size = file:read("*n")
    if not size then break end
    file:read(1)
    local raw = file:read(size)
    total = total + 1
    local from, to = raw:find("@NEW-KEY@", 1, true)
    if from then cuts[total] = {raw:sub(1, from - 1), raw:sub(to + 1)} else requests[total] = raw end
  end
  file:close()
end

request = function()
  place = place % total + 1
  local cut = cuts[place]
  if not cut then return requests[place] end
  key = key + 1
  return cut[1] .. prefix .. key .. cut[2]
end

done = function(summary, latency)
  local errors = summary.errors
  io.write(string.format("measured %d %d %d %d\n", summary.duration, summary.requests, errors.status,
    errors.connect + errors.read + errors.write + errors.timeout))
  for _, share in ipairs({50, 95, 99}) do
    io.write(string.format("latency %d %d\n", share, latency:percentile(share)))
  end
end
