-- SPDX-License-Identifier: GPL-2.0-or-later
-- One of the server's 200 files at random.
request = function()
    return wrk.format("GET", "/" .. math.random(0, 199))
end
