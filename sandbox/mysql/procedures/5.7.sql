-- How 5.7 tells what its replication does: with performance_schema off, as on RDS, only by the list of its threads.

CREATE FUNCTION mysql.rds_receiver_state() RETURNS VARCHAR(10)
  READS SQL DATA
BEGIN
  -- NULL: no source is configured; ON, OFF or CONNECTING
  DECLARE what_it_does VARCHAR(64);
  IF NOT EXISTS (SELECT 1 FROM mysql.slave_master_info WHERE channel_name = '' AND host <> '') THEN
    RETURN NULL;
  END IF;
  SELECT MAX(state) INTO what_it_does
    FROM information_schema.processlist
   WHERE user = 'system user'
     AND state REGEXP '^(Connecting|Reconnecting|Waiting to reconnect|Checking master|Registering|Requesting|Waiting for master|Queueing|Waiting for the slave SQL thread to free)';
  RETURN CASE
    WHEN what_it_does IS NULL THEN 'OFF'
    WHEN what_it_does REGEXP '^(Waiting for master|Queueing|Waiting for the slave)' THEN 'ON'
    ELSE 'CONNECTING'
  END;
END
$$
CREATE FUNCTION mysql.rds_applier_runs() RETURNS BOOLEAN
  READS SQL DATA
  -- Whatever other thread of replication there is, is the applier, or works for it.
  RETURN EXISTS (SELECT 1 FROM information_schema.processlist
                  WHERE user = 'system user'
                    AND state NOT REGEXP '^(Connecting|Reconnecting|Waiting to reconnect|Checking master|Registering|Requesting|Waiting for master|Queueing|Waiting for the slave SQL thread to free)')
$$
