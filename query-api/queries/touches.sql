-- Which stretches of time were ever touched, with the lowest and the highest position that wrote there. Stretches lie
-- between neighbouring `bounds` (ascending); what was never touched yields no row.
-- Table `touches`, key (org_id, quarter): the organisation's rows of that time, one to a few a quarter hour.
SELECT
    roundDown(toUInt32(quarter), {bounds:Array(UInt32)}) AS start,
    min(first_position) AS first_touch,
    max(last_position) AS last_touch
FROM touches
WHERE org_id = {org_id:String}
  AND quarter >= toDateTime({bounds:Array(UInt32)}[1], 'UTC')
  AND quarter < toDateTime({bounds:Array(UInt32)}[-1], 'UTC')
GROUP BY start
