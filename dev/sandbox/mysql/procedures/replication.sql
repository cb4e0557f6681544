-- Replication as RDS lets the master user steer it. The vocabulary is that of MySQL 5.7 and 8.0 (MASTER, SLAVE).
-- Refusals, order and pauses are those of the procedures in a dump of the mysql schema of an RDS 8.0.41 (2025-07); start and
-- stop are in the files of the versions, as is how a version tells what its replication does (rds_receiver_state,
-- rds_applier_runs, rds_applier_error).
-- Every refusal is SIGNAL 45000, error 1644. The first row that a call leaves in the history, `Starting: …`, stays when the
-- call is refused. Bookkeeping is not logged: sql_log_bin goes off and comes back however a call ends, which inside a
-- transaction is error 1694. The parts that procedures share are SECURITY INVOKER: as the master user calls them, they can
-- do no more than the master user can.

CREATE FUNCTION mysql.rds_replication_service_state() RETURNS VARCHAR(10)
  READS SQL DATA
BEGIN
  -- A receiver that is still connecting makes it BROKEN.
  DECLARE receiver VARCHAR(10) DEFAULT mysql.rds_receiver_state();
  RETURN CASE
    WHEN receiver IS NULL THEN 'NOT_EXIST'
    WHEN receiver = 'ON' AND mysql.rds_applier_runs() THEN 'ON'
    WHEN receiver = 'OFF' AND NOT mysql.rds_applier_runs() THEN 'OFF'
    ELSE 'BROKEN'
  END;
END
$$
CREATE FUNCTION mysql.rds_is_read_replica() RETURNS BOOLEAN
  READS SQL DATA
  RETURN EXISTS (SELECT 1 FROM mysql.rds_history WHERE action = 'disable set master' AND master_user = 'rdsrepladmin')
$$
CREATE PROCEDURE mysql.rds_record(IN action VARCHAR(40))
  SQL SECURITY INVOKER
BEGIN
  INSERT INTO mysql.rds_history (called_by_user, action, mysql_version) VALUES (USER(), action, VERSION());
  COMMIT;
  CALL mysql.rds_check_not_told_to_refuse(action);
END
$$
-- A fault that was injected: the next call is refused, the one after it works.
CREATE PROCEDURE mysql.rds_check_not_told_to_refuse(IN action VARCHAR(40))
  SQL SECURITY INVOKER
BEGIN
  DECLARE why VARCHAR(128) DEFAULT (SELECT refusal FROM mysql.rds_sandbox WHERE refused = action);
  COMMIT;
  IF why IS NOT NULL THEN
    UPDATE mysql.rds_sandbox SET refused = NULL, refusal = NULL;
    COMMIT;
    CALL mysql.rds_refuse(why);
  END IF;
END
$$
CREATE PROCEDURE mysql.rds_record_until(IN action VARCHAR(40), IN file TEXT, IN pos BIGINT)
  SQL SECURITY INVOKER
BEGIN
  INSERT INTO mysql.rds_history (called_by_user, action, mysql_version, master_log_file, master_log_pos)
    VALUES (USER(), action, VERSION(), LEFT(file, 50), pos);
  COMMIT;
END
$$
CREATE PROCEDURE mysql.rds_record_source(IN action VARCHAR(40), IN host VARCHAR(255), IN port INT, IN user TEXT, IN file TEXT, IN pos BIGINT UNSIGNED, IN ssl_on TINYINT)
  SQL SECURITY INVOKER
BEGIN
  INSERT INTO mysql.rds_history (called_by_user, action, mysql_version, master_host, master_port, master_user, master_log_file, master_log_pos, master_ssl, auto_position)
    VALUES (USER(), action, VERSION(), TRIM(host), port, TRIM(user), TRIM(file), pos, ssl_on, 0);
  COMMIT;
END
$$
-- What the agent goes by when it resumes replication after a start of the server.
CREATE PROCEDURE mysql.rds_note_status(IN what VARCHAR(20), IN file TEXT, IN pos BIGINT)
  SQL SECURITY INVOKER
BEGIN
  UPDATE mysql.rds_replication_status
     SET called_by_user = USER(), action = what, mysql_version = VERSION(),
         replication_log_file = TRIM(file), replication_stop_point = pos
   WHERE action IS NOT NULL AND COALESCE(channel_name, '') = '';
  COMMIT;
END
$$
CREATE PROCEDURE mysql.rds_note_source(IN host VARCHAR(255), IN port INT)
  SQL SECURITY INVOKER
BEGIN
  UPDATE mysql.rds_replication_status SET master_host = TRIM(host), master_port = port
   WHERE action IS NOT NULL AND COALESCE(channel_name, '') = '';
  COMMIT;
END
$$
CREATE PROCEDURE mysql.rds_run(IN statement_text TEXT)
  SQL SECURITY INVOKER
BEGIN
  -- A prepared statement's text must be a session variable; it may hold a password, so it does not stay there.
  SET @rds_statement = statement_text;
  PREPARE rds_statement FROM @rds_statement;
  SET @rds_statement = NULL;
  EXECUTE rds_statement;
  DEALLOCATE PREPARE rds_statement;
END
$$
CREATE PROCEDURE mysql.rds_refuse(IN why VARCHAR(128))
  SQL SECURITY INVOKER
  SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = why
$$
CREATE PROCEDURE mysql.rds_pause(IN seconds DOUBLE)
  SQL SECURITY INVOKER
BEGIN
  -- RDS's pauses before and after a STOP change no outcome: a quick sandbox leaves them out.
  DECLARE real_ones BOOLEAN DEFAULT (SELECT real_pauses FROM mysql.rds_sandbox);
  COMMIT;
  IF real_ones THEN
    DO SLEEP(seconds);
  END IF;
END
$$
CREATE PROCEDURE mysql.rds_await_both(IN seconds DOUBLE)
  SQL SECURITY INVOKER
BEGIN
  -- RDS's pause after a START. A quick sandbox ends it a moment after both threads run: time to run into a first error.
  DECLARE real_ones BOOLEAN DEFAULT (SELECT real_pauses FROM mysql.rds_sandbox);
  DECLARE deadline DATETIME(3) DEFAULT SYSDATE(3) + INTERVAL seconds SECOND;
  COMMIT;
  IF real_ones THEN
    DO SLEEP(seconds);
  ELSE
    WHILE mysql.rds_replication_service_state() <> 'ON' AND SYSDATE(3) < deadline DO
      COMMIT;
      DO SLEEP(0.05);
    END WHILE;
    COMMIT;
    DO SLEEP(0.2);
  END IF;
END
$$
CREATE PROCEDURE mysql.rds_await_goal()
  SQL SECURITY INVOKER
BEGIN
  -- RDS's 2 s after START … UNTIL. A quick sandbox cuts them short only when they are lost: the applier has stopped.
  DECLARE real_ones BOOLEAN DEFAULT (SELECT real_pauses FROM mysql.rds_sandbox);
  DECLARE deadline DATETIME(3) DEFAULT SYSDATE(3) + INTERVAL 2 SECOND;
  COMMIT;
  IF real_ones THEN
    DO SLEEP(2);
  ELSE
    WHILE mysql.rds_applier_runs() AND SYSDATE(3) < deadline DO
      COMMIT;
      DO SLEEP(0.05);
    END WHILE;
    COMMIT;
  END IF;
END
$$
CREATE PROCEDURE mysql.rds_check_not_skipping()
  SQL SECURITY INVOKER
BEGIN
  IF @@global.sql_slave_skip_counter > 0 THEN
    CALL mysql.rds_refuse('mysql.rds_skip_repl_error is under way in another session. Call the procedure again later.');
  END IF;
END
$$
-- Why replication can't be started now.
CREATE PROCEDURE mysql.rds_check_startable(IN state VARCHAR(10))
  SQL SECURITY INVOKER
BEGIN
  CASE state
    WHEN 'OFF' THEN BEGIN END;
    WHEN 'NOT_EXIST' THEN CALL mysql.rds_refuse('You can''t start replication because the replica isn''t configured. First call mysql.rds_set_external_master.');
    WHEN 'ON' THEN CALL mysql.rds_refuse('Replication may already be running. Call rds_stop_replication to stop replication');
    ELSE CALL mysql.rds_refuse('Replication might be running. First call mysql.rds_stop_replication.');
  END CASE;
END
$$
CREATE PROCEDURE mysql.rds_check_stoppable(IN state VARCHAR(10))
  SQL SECURITY INVOKER
BEGIN
  IF state = 'NOT_EXIST' THEN
    CALL mysql.rds_refuse('You can''t stop replication because the replica isn''t configured. First call mysql.rds_set_external_master.');
  ELSEIF state = 'OFF' THEN
    CALL mysql.rds_refuse('Slave is already stopped or may not be configured. Run SHOW SLAVE STATUS\\G;');
  END IF;
END
$$
CREATE PROCEDURE mysql.rds_check_stopped()
  SQL SECURITY INVOKER
BEGIN
  DECLARE state VARCHAR(10) DEFAULT mysql.rds_replication_service_state();
  COMMIT;
  IF state <> 'OFF' THEN
    CALL mysql.rds_refuse('Slave has encountered an error. Run SHOW SLAVE STATUS\\G; to see the error.');
  END IF;
END
$$
-- Why replication can't be started until some point now: not a word of BROKEN here, it counts as running.
CREATE PROCEDURE mysql.rds_check_startable_until(IN state VARCHAR(10))
  SQL SECURITY INVOKER
BEGIN
  IF state = 'NOT_EXIST' THEN
    CALL mysql.rds_refuse('You can''t start replication because the replica isn''t configured. First call mysql.rds_set_external_master.');
  ELSEIF state <> 'OFF' THEN
    CALL mysql.rds_refuse('Replication may already be running. Call rds_stop_replication to stop replication');
  ELSEIF @@global.slave_parallel_workers > 1 THEN
    CALL mysql.rds_refuse('rds_start_replication_until is not supported for multi-threaded slaves');
  END IF;
END
$$
CREATE PROCEDURE mysql.rds_start_replication_until(IN replication_log_file TEXT, IN replication_stop_point BIGINT)
BEGIN
  DECLARE logging BOOLEAN DEFAULT @@session.sql_log_bin;
  DECLARE state VARCHAR(10) DEFAULT mysql.rds_replication_service_state();
  SET SESSION sql_log_bin = 0;
  BEGIN
    DECLARE EXIT HANDLER FOR SQLEXCEPTION BEGIN SET SESSION sql_log_bin = logging; RESIGNAL; END;
    CALL mysql.rds_record_until('Starting: start slave until', replication_log_file, replication_stop_point);
    CALL mysql.rds_check_startable_until(state);
    IF COALESCE(replication_stop_point, 0) <= 0 THEN
      CALL mysql.rds_refuse('The replication stop point must be a number above 0');
    END IF;
    CALL mysql.rds_check_not_skipping();
    CALL mysql.rds_note_status('start slave until', replication_log_file, replication_stop_point);
    CALL mysql.rds_run(CONCAT('START SLAVE UNTIL MASTER_LOG_FILE = ', QUOTE(TRIM(replication_log_file)), ', MASTER_LOG_POS = ', replication_stop_point));
    CALL mysql.rds_await_goal();
    CALL mysql.rds_check_runs();
    CALL mysql.rds_record_until('start slave until', replication_log_file, replication_stop_point);
    SELECT CONCAT('Replication started until MASTER_LOG_FILE = ', QUOTE(TRIM(replication_log_file)), ' and MASTER_LOG_POS = ', replication_stop_point) AS Message;
    SET SESSION sql_log_bin = logging;
  END;
END
$$
-- Both threads must run, whatever the reason that one does not: an applier that has reached its goal is an error, too.
CREATE PROCEDURE mysql.rds_check_runs()
  SQL SECURITY INVOKER
BEGIN
  DECLARE state VARCHAR(10) DEFAULT mysql.rds_replication_service_state();
  COMMIT;
  IF state <> 'ON' THEN
    CALL mysql.rds_refuse('Slave has encountered an error. Run SHOW SLAVE STATUS\\G; to see the error.');
  END IF;
END
$$
CREATE PROCEDURE mysql.rds_set_external_master(IN host VARCHAR(255), IN port INT, IN user TEXT, IN passwd TEXT, IN name TEXT, IN pos BIGINT UNSIGNED, IN enable_ssl_encryption TINYINT)
BEGIN
  DECLARE logging BOOLEAN DEFAULT @@session.sql_log_bin;
  DECLARE state VARCHAR(10) DEFAULT mysql.rds_replication_service_state();
  DECLARE read_replica BOOLEAN DEFAULT mysql.rds_is_read_replica();
  DECLARE elsewhere BOOLEAN DEFAULT EXISTS (
    SELECT 1 FROM mysql.slave_master_info other WHERE other.Host = TRIM(host) AND other.Port = port AND other.Channel_name <> '');
  DECLARE real_ones BOOLEAN DEFAULT (SELECT real_pauses FROM mysql.rds_sandbox);
  SET SESSION sql_log_bin = 0;
  BEGIN
    DECLARE EXIT HANDLER FOR SQLEXCEPTION BEGIN SET SESSION sql_log_bin = logging; RESIGNAL; END;
    CALL mysql.rds_record_source('Starting: set master', host, port, user, name, pos, enable_ssl_encryption);
    IF read_replica THEN
      CALL mysql.rds_refuse('Permission Denied: This instance is a RDS Read Replica.');
    ELSEIF state NOT IN ('OFF', 'NOT_EXIST') THEN
      CALL mysql.rds_refuse('You can''t modify replication because replication is running. First call mysql.rds_stop_replication.');
    ELSEIF elsewhere THEN
      CALL mysql.rds_refuse('Two channels that replicate from one host and port are not supported.');
    END IF;
    CALL mysql.rds_note_status('set master', NULL, NULL);
    CALL mysql.rds_note_source(host, port);
    CALL mysql.rds_run(CONCAT(
      'CHANGE MASTER TO MASTER_HOST = ', QUOTE(TRIM(host)), ', MASTER_PORT = ', port,
      ', MASTER_USER = ', QUOTE(TRIM(user)), ', MASTER_PASSWORD = ', QUOTE(TRIM(passwd)),
      ', MASTER_LOG_FILE = ', QUOTE(TRIM(name)), ', MASTER_LOG_POS = ', pos,
      ', MASTER_AUTO_POSITION = 0, MASTER_SSL = ', enable_ssl_encryption,
      -- RDS leaves the retry at MySQL's 60 s, and from 8.4 on at ten attempts; a quick sandbox's minutes are shorter, but it gives up
      -- as late as a real one.
      IF(real_ones, '', ', MASTER_CONNECT_RETRY = 1'),
      IF(real_ones OR CAST(VERSION() AS DECIMAL(3, 1)) < 8.4, '', ', MASTER_RETRY_COUNT = 600')));
    CALL mysql.rds_record_source('set master', host, port, user, name, pos, enable_ssl_encryption);
    SET SESSION sql_log_bin = logging;
  END;
END
$$
CREATE PROCEDURE mysql.rds_reset_external_master()
BEGIN
  DECLARE logging BOOLEAN DEFAULT @@session.sql_log_bin;
  DECLARE state VARCHAR(10) DEFAULT mysql.rds_replication_service_state();
  DECLARE read_replica BOOLEAN DEFAULT mysql.rds_is_read_replica();
  SET SESSION sql_log_bin = 0;
  BEGIN
    DECLARE EXIT HANDLER FOR SQLEXCEPTION BEGIN SET SESSION sql_log_bin = logging; RESIGNAL; END;
    CALL mysql.rds_record('Starting: reset slave');
    IF read_replica THEN
      CALL mysql.rds_refuse('Permission Denied: This instance is a RDS Read Replica.');
    ELSEIF state = 'NOT_EXIST' THEN
      CALL mysql.rds_refuse('You can''t reset replication because replication isn''t configured. First run mysql.rds_set_external_master.');
    ELSEIF state <> 'OFF' THEN
      CALL mysql.rds_run('STOP SLAVE');
      CALL mysql.rds_pause(2);
    END IF;
    CALL mysql.rds_run('RESET SLAVE ALL');
    CALL mysql.rds_record('reset slave');
    CALL mysql.rds_note_status('reset slave', NULL, NULL);
    CALL mysql.rds_note_source(NULL, NULL);
    SELECT 'Slave has been reset' AS message;
    SET SESSION sql_log_bin = logging;
  END;
END
$$
CREATE PROCEDURE mysql.rds_set_source_delay(IN delay INT)
BEGIN
  DECLARE logging BOOLEAN DEFAULT @@session.sql_log_bin;
  DECLARE state VARCHAR(10) DEFAULT mysql.rds_replication_service_state();
  SET SESSION sql_log_bin = 0;
  BEGIN
    DECLARE EXIT HANDLER FOR SQLEXCEPTION BEGIN SET SESSION sql_log_bin = logging; RESIGNAL; END;
    CALL mysql.rds_record('Starting: set source delay');
    IF delay IS NULL OR delay NOT BETWEEN 0 AND 86400 THEN
      CALL mysql.rds_refuse('For source delay the value must be between 0 and 86400 inclusive.');
    ELSEIF state = 'NOT_EXIST' THEN
      CALL mysql.rds_refuse('You can''t set replication delay because the replica isn''t configured. First call mysql.rds_set_external_master.');
    ELSEIF state <> 'OFF' THEN
      CALL mysql.rds_refuse('You can''t set replication delay because replication is running. First call mysql.rds_stop_replication.');
    END IF;
    CALL mysql.rds_run(CONCAT('CHANGE MASTER TO MASTER_DELAY = ', delay));
    UPDATE mysql.rds_configuration SET value = delay WHERE name = 'source delay';
    CALL mysql.rds_record('set source delay');
    SELECT 'source delay is set successfully.' AS Message;
    SET SESSION sql_log_bin = logging;
  END;
END
$$
CREATE PROCEDURE mysql.rds_skip_repl_error()
skip: BEGIN
  DECLARE logging BOOLEAN DEFAULT @@session.sql_log_bin;
  DECLARE state VARCHAR(10) DEFAULT mysql.rds_replication_service_state();
  DECLARE failed BOOLEAN DEFAULT mysql.rds_applier_failed();
  SET SESSION sql_log_bin = 0;
  BEGIN
    DECLARE EXIT HANDLER FOR SQLEXCEPTION BEGIN SET SESSION sql_log_bin = logging; RESIGNAL; END;
    CALL mysql.rds_record('Starting: skip_repl_error');
    CALL mysql.rds_check_broken(state, 'You can''t skip a replication error because the replica isn''t configured. First call mysql.rds_set_external_master.');
    IF NOT failed THEN
      SELECT 'The replica''s applier has met no error. Run SHOW SLAVE STATUS;' AS Message;
      SET SESSION sql_log_bin = logging;
      LEAVE skip;
    END IF;
    CALL mysql.rds_check_not_skipping();
    SET GLOBAL sql_slave_skip_counter = 1;
    CALL mysql.rds_run('STOP SLAVE');
    CALL mysql.rds_pause(2);
    CALL mysql.rds_run('START SLAVE');
    CALL mysql.rds_await_both(2);
    SELECT 'Statement in error has been skipped' AS Message;
    CALL mysql.rds_check_recovered();
    SET SESSION sql_log_bin = logging;
  END;
END
$$
CREATE PROCEDURE mysql.rds_check_broken(IN state VARCHAR(10), IN unconfigured VARCHAR(128))
  SQL SECURITY INVOKER
BEGIN
  CASE state
    WHEN 'BROKEN' THEN BEGIN END;
    WHEN 'ON' THEN CALL mysql.rds_refuse('Slave is running normally.  No errors detected to skip.');
    WHEN 'OFF' THEN CALL mysql.rds_refuse('Slave is down or disabled.');
    ELSE CALL mysql.rds_refuse(unconfigured);
  END CASE;
END
$$
CREATE PROCEDURE mysql.rds_check_recovered()
  SQL SECURITY INVOKER
BEGIN
  DECLARE state VARCHAR(10) DEFAULT mysql.rds_replication_service_state();
  COMMIT;
  CALL mysql.rds_record(CONCAT('skip_repl_error', IF(state = 'ON', ':OK', ':ERR')));
  IF state <> 'ON' THEN
    CALL mysql.rds_refuse('Slave has encountered a new error. Please use SHOW SLAVE STATUS to see the error.');
  END IF;
  SELECT 'Slave is now running normally' AS Message;
END
$$
