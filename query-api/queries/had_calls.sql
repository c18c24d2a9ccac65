-- Whether an organisation had any call up to a position.
-- Table `touches`, key (org_id, quarter): ends at the first row that holds something.
SELECT count() > 0 AS had
FROM
(
    SELECT 1
    FROM touches
    WHERE org_id = {org_id:String} AND first_position <= {at:UInt64}
    LIMIT 1
)
