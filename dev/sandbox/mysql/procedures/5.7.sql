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
CREATE FUNCTION mysql.rds_applier_failed() RETURNS BOOLEAN
  READS SQL DATA
  -- Asked where replication is BROKEN: then an applier that does not run has met an error.
  RETURN NOT mysql.rds_applier_runs()
$$
-- Texts and the pause of 1 s as seen on 5.7 (2018-06: 1.01 s). Start succeeds there even while the receiver fails.

CREATE PROCEDURE mysql.rds_start_replication()
BEGIN
  DECLARE logging BOOLEAN DEFAULT @@session.sql_log_bin;
  DECLARE state VARCHAR(10) DEFAULT mysql.rds_replication_service_state();
  SET SESSION sql_log_bin = 0;
  BEGIN
    DECLARE EXIT HANDLER FOR SQLEXCEPTION BEGIN SET SESSION sql_log_bin = logging; RESIGNAL; END;
    CALL mysql.rds_record('Starting: start slave');
    CALL mysql.rds_check_startable(state);
    CALL mysql.rds_note_status('start slave', NULL, NULL);
    CALL mysql.rds_check_not_skipping();
    CALL mysql.rds_run('START SLAVE');
    CALL mysql.rds_await_both(1);
    IF NOT mysql.rds_applier_runs() THEN
      CALL mysql.rds_refuse('Slave has encountered an error. Run SHOW SLAVE STATUS\\G; to see the error.');
    END IF;
    CALL mysql.rds_record('start slave');
    SELECT 'Slave running normally.' AS Message;
    SET SESSION sql_log_bin = logging;
  END;
END
$$
CREATE PROCEDURE mysql.rds_stop_replication()
BEGIN
  DECLARE logging BOOLEAN DEFAULT @@session.sql_log_bin;
  DECLARE state VARCHAR(10) DEFAULT mysql.rds_replication_service_state();
  SET SESSION sql_log_bin = 0;
  BEGIN
    DECLARE EXIT HANDLER FOR SQLEXCEPTION BEGIN SET SESSION sql_log_bin = logging; RESIGNAL; END;
    CALL mysql.rds_record('Starting: stop slave');
    CALL mysql.rds_check_stoppable(state);
    CALL mysql.rds_note_status('stop slave', NULL, NULL);
    CALL mysql.rds_run('STOP SLAVE');
    CALL mysql.rds_pause(1);
    CALL mysql.rds_check_stopped();
    CALL mysql.rds_record('stop slave');
    SELECT 'Slave is down or disabled' AS Message;
    SET SESSION sql_log_bin = logging;
  END;
END
$$
