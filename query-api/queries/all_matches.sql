-- How many calls each bucket holds, where no filter asks for less. Reads the rows' own totals.
SELECT start, calls_of_row AS sum_calls
FROM usable
