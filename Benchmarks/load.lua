-- What wrk sends, and what it says in the end: wrk -s load.lua URL -- key=value…
--
--   path, type    of each request
--   bodies        a file with a body in each line, of which any is sent
--   template      a file that is sent as it is, but for each NUMBER8 in it: there stands the request's own number (from first on), as digits, or with form=int64
--                 as eight bytes
--   events        bodies are events that happen now to one of so many entities
--   delay         so many milliseconds on average between an answer and the next request
--   stop          after so many seconds nothing more is sent, so that in the end all is answered
local ffi = require("ffi")
ffi.cdef [[ struct firn_time { long seconds; long nanoseconds; }; int clock_gettime(int clock, struct firn_time *time); ]]
local clock = ffi.new("struct firn_time")

local function now()
    ffi.C.clock_gettime(1, clock)
    return tonumber(clock.seconds) + tonumber(clock.nanoseconds) / 1e9
end

local function read(name)
    local file = assert(io.open(name, "rb"))
    local text = file:read("*a")
    file:close()
    return text
end

local function bytes8(number)
    local bytes = {}
    for place = 1, 8 do
        bytes[place] = string.char(number % 256)
        number = math.floor(number / 256)
    end
    return table.concat(bytes)
end

local threads = {}

function setup(thread)
    thread:set("place", #threads)
    threads[#threads + 1] = thread
end

function init(arguments)
    local options = {}
    for _, argument in ipairs(arguments) do
        local key, value = argument:match("^(%w+)=(.*)$")
        if key then options[key] = value end
    end
    math.randomseed(tonumber(options.seed or 1) * 64 + place)
    local headers = { ["Content-Type"] = options.type or "application/json" }
    local next_request
    if options.bodies then
        local requests = {}
        for line in read(options.bodies):gmatch("[^\n]+") do requests[#requests + 1] = wrk.format("POST", options.path, headers, line) end
        next_request = function() return requests[math.random(#requests)] end
    elseif options.template then
        local pieces, text, start = {}, read(options.template), 1
        while true do
            local from, to = text:find("NUMBER8", start, true)
            pieces[#pieces + 1] = text:sub(start, (from or 0) - 1)
            if not from then break end
            start = to + 1
        end
        -- Threads have numbers of their own.
        local number = tonumber(options.first or 0) + place * 2 ^ 32
        next_request = function()
            number = number + 1
            local written = options.form == "int64" and bytes8(number) or string.format("%.0f", number)
            return wrk.format("POST", options.path, headers, table.concat(pieces, written))
        end
    else
        local entities = tonumber(options.events)
        next_request = function()
            local event = '[{"entity":%d,"amount":%d.25,"at":"%s"}]'
            return wrk.format("POST", options.path, headers, event:format(math.random(0, entities - 1), math.random(0, 999), os.date("!%Y-%m-%dT%H:%M:%SZ")))
        end
    end
    if options.delay then
        local twice = 2 * tonumber(options.delay)
        delay = function() return math.random(0, twice) end
    end
    request = next_request
    if options.stop then
        local ends
        request = function()
            ends = ends or now() + tonumber(options.stop)
            -- Nothing sent is nothing asked: the connection rests.
            return now() < ends and next_request() or ""
        end
    end
end

function done(summary, latency)
    local errors = summary.errors
    local form = '\n{"requests": %d, "seconds": %.6f, "p50": %.1f, "p99": %.1f, "p999": %.1f, "most": %.1f, "refused": %d, "failed": %d}\n'
    io.write(form:format(summary.requests, summary.duration / 1e6, latency:percentile(50), latency:percentile(99), latency:percentile(99.9), latency.max,
        errors.status, errors.connect + errors.read + errors.write + errors.timeout))
end
