-- Replication as RDS lets the master user steer it. The vocabulary is that of MySQL 5.7 and 8.0 (MASTER, SLAVE).
-- Each procedure works with the binary log of its session off, and puts it back however it ends. The parts that they
-- share are SECURITY INVOKER: as the master user calls them, they can do no more than the master user can.
-- How a version tells what its replication does (rds_receiver_state, rds_applier_runs) is in a file of its own.

CREATE FUNCTION mysql.rds_replication_service_state() RETURNS VARCHAR(10)
  READS SQL DATA
BEGIN
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
CREATE PROCEDURE mysql.rds_record(IN action VARCHAR(100), IN host VARCHAR(255), IN port INT, IN user VARCHAR(96), IN file VARCHAR(512), IN pos BIGINT UNSIGNED)
  SQL SECURITY INVOKER
BEGIN
  INSERT INTO mysql.rds_history (called_by_user, action, mysql_version, master_host, master_port, master_user, master_log_file, master_log_pos)
    VALUES (USER(), action, VERSION(), host, port, user, file, pos);
  REPLACE INTO mysql.rds_replication_status (id, called_by_user, action, mysql_version, master_host, master_port)
    VALUES (1, USER(), action, VERSION(), host, port);
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
CREATE PROCEDURE mysql.rds_await_state(IN wanted VARCHAR(10), IN seconds INT)
  SQL SECURITY INVOKER
BEGIN
  DECLARE deadline DATETIME(3) DEFAULT SYSDATE(3) + INTERVAL seconds SECOND;
  WHILE mysql.rds_replication_service_state() <> wanted AND SYSDATE(3) < deadline DO
    DO SLEEP(0.05);
  END WHILE;
END
$$
CREATE PROCEDURE mysql.rds_stop_replication()
BEGIN
  DECLARE logging BOOLEAN DEFAULT @@session.sql_log_bin;
  DECLARE EXIT HANDLER FOR SQLEXCEPTION BEGIN SET SESSION sql_log_bin = logging; RESIGNAL; END;
  SET SESSION sql_log_bin = 0;
  IF mysql.rds_replication_service_state() = 'NOT_EXIST' THEN
    SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'You can''t stop replication because the replica isn''t configured. First call mysql.rds_set_external_master.';
  ELSEIF mysql.rds_replication_service_state() = 'OFF' THEN
    SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'Slave is already stopped or may not be configured. Run SHOW SLAVE STATUS\\G;';
  END IF;
  CALL mysql.rds_run('STOP SLAVE');
  CALL mysql.rds_await_state('OFF', 10);
  IF mysql.rds_replication_service_state() <> 'OFF' THEN
    SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'Slave has encountered an error. Run SHOW SLAVE STATUS\\G; to see the error.';
  END IF;
  CALL mysql.rds_record('stop slave', NULL, NULL, NULL, NULL, NULL);
  SELECT 'Slave is down or disabled' AS Message;
  SET SESSION sql_log_bin = logging;
END
$$
CREATE PROCEDURE mysql.rds_check_startable()
  SQL SECURITY INVOKER
BEGIN
  CASE mysql.rds_replication_service_state()
    WHEN 'NOT_EXIST' THEN
      SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'You can''t start replication because the replica isn''t configured. First call mysql.rds_set_external_master.';
    WHEN 'ON' THEN
      SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'Replication may already be running. Call rds_stop_replication to stop replication';
    WHEN 'BROKEN' THEN
      SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'Replication might be running. First call mysql.rds_stop_replication.';
    ELSE BEGIN END;
  END CASE;
END
$$
CREATE PROCEDURE mysql.rds_start_replication()
BEGIN
  DECLARE logging BOOLEAN DEFAULT @@session.sql_log_bin;
  DECLARE EXIT HANDLER FOR SQLEXCEPTION BEGIN SET SESSION sql_log_bin = logging; RESIGNAL; END;
  SET SESSION sql_log_bin = 0;
  CALL mysql.rds_check_startable();
  CALL mysql.rds_record('start slave', NULL, NULL, NULL, NULL, NULL);
  CALL mysql.rds_run('START SLAVE');
  CALL mysql.rds_await_state('ON', 3);
  -- RDS, too, gives it a moment to run into an error.
  DO SLEEP(0.2);
  IF mysql.rds_replication_service_state() <> 'ON' THEN
    SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'Slave has encountered an error. Run SHOW SLAVE STATUS\\G; to see the error.';
  END IF;
  SELECT 'Slave running normally.' AS Message;
  SET SESSION sql_log_bin = logging;
END
$$
CREATE PROCEDURE mysql.rds_start_replication_until(IN replication_log_file TEXT, IN replication_stop_point BIGINT)
BEGIN
  DECLARE logging BOOLEAN DEFAULT @@session.sql_log_bin;
  DECLARE EXIT HANDLER FOR SQLEXCEPTION BEGIN SET SESSION sql_log_bin = logging; RESIGNAL; END;
  SET SESSION sql_log_bin = 0;
  CALL mysql.rds_check_startable();
  CALL mysql.rds_run(CONCAT('START SLAVE UNTIL MASTER_LOG_FILE = ', QUOTE(TRIM(replication_log_file)), ', MASTER_LOG_POS = ', replication_stop_point));
  CALL mysql.rds_record('start slave until', NULL, NULL, NULL, TRIM(replication_log_file), replication_stop_point);
  SELECT CONCAT('Replication started until MASTER_LOG_FILE = ', QUOTE(TRIM(replication_log_file)), ' and MASTER_LOG_POS = ', replication_stop_point) AS Message;
  SET SESSION sql_log_bin = logging;
END
$$
CREATE PROCEDURE mysql.rds_start_replication_until_gtid(IN gtid TEXT)
BEGIN
  DECLARE logging BOOLEAN DEFAULT @@session.sql_log_bin;
  DECLARE EXIT HANDLER FOR SQLEXCEPTION BEGIN SET SESSION sql_log_bin = logging; RESIGNAL; END;
  SET SESSION sql_log_bin = 0;
  CALL mysql.rds_check_startable();
  CALL mysql.rds_run(CONCAT('START SLAVE UNTIL SQL_AFTER_GTIDS = ', QUOTE(TRIM(gtid))));
  CALL mysql.rds_record('start slave until gtid', NULL, NULL, NULL, NULL, NULL);
  SELECT CONCAT('Replication started until SQL_AFTER_GTIDS = ', QUOTE(TRIM(gtid))) AS Message;
  SET SESSION sql_log_bin = logging;
END
$$
CREATE PROCEDURE mysql.rds_change_master(IN host VARCHAR(255), IN port INT, IN user TEXT, IN passwd TEXT, IN name TEXT, IN pos BIGINT UNSIGNED, IN enable_ssl_encryption TINYINT, IN delay INT, IN auto_position BOOLEAN)
  SQL SECURITY INVOKER
main: BEGIN
  DECLARE logging BOOLEAN DEFAULT @@session.sql_log_bin;
  DECLARE EXIT HANDLER FOR SQLEXCEPTION BEGIN SET SESSION sql_log_bin = logging; RESIGNAL; END;
  IF mysql.rds_is_read_replica() THEN
    SELECT 'MYSQL.RDS_SET_EXTERNAL_MASTER is disabled on this host' AS Message;
    LEAVE main;
  END IF;
  SET SESSION sql_log_bin = 0;
  IF mysql.rds_replication_service_state() NOT IN ('OFF', 'NOT_EXIST') THEN
    SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'You can''t modify replication because replication is running. First call mysql.rds_stop_replication.';
  END IF;
  IF delay NOT BETWEEN 0 AND 86400 THEN
    SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'For source delay the value must be between 0 and 86400 inclusive';
  END IF;
  CALL mysql.rds_run(CONCAT(
    'CHANGE MASTER TO MASTER_HOST = ', QUOTE(TRIM(host)), ', MASTER_PORT = ', port,
    ', MASTER_USER = ', QUOTE(TRIM(user)), ', MASTER_PASSWORD = ', QUOTE(TRIM(passwd)),
    IF(auto_position, '', CONCAT(', MASTER_LOG_FILE = ', QUOTE(TRIM(name)), ', MASTER_LOG_POS = ', pos)),
    ', MASTER_AUTO_POSITION = ', auto_position, ', MASTER_SSL = ', enable_ssl_encryption, ', MASTER_DELAY = ', delay,
    -- One second where MySQL has 60: the sandbox's minutes are shorter.
    ', MASTER_CONNECT_RETRY = 1'));
  CALL mysql.rds_record('set master', TRIM(host), port, TRIM(user), TRIM(name), pos);
  SET SESSION sql_log_bin = logging;
END
$$
CREATE PROCEDURE mysql.rds_set_external_master(IN host VARCHAR(255), IN port INT, IN user TEXT, IN passwd TEXT, IN name TEXT, IN pos BIGINT UNSIGNED, IN enable_ssl_encryption TINYINT)
  CALL mysql.rds_change_master(host, port, user, passwd, name, pos, enable_ssl_encryption, 0, FALSE)
$$
CREATE PROCEDURE mysql.rds_set_external_master_with_delay(IN host VARCHAR(255), IN port INT, IN user TEXT, IN passwd TEXT, IN name TEXT, IN pos BIGINT UNSIGNED, IN enable_ssl_encryption TINYINT, IN delay INT)
  CALL mysql.rds_change_master(host, port, user, passwd, name, pos, enable_ssl_encryption, delay, FALSE)
$$
CREATE PROCEDURE mysql.rds_set_external_master_with_auto_position(IN host VARCHAR(255), IN port INT, IN user TEXT, IN passwd TEXT, IN enable_ssl_encryption TINYINT, IN delay INT)
  CALL mysql.rds_change_master(host, port, user, passwd, NULL, NULL, enable_ssl_encryption, delay, TRUE)
$$
CREATE PROCEDURE mysql.rds_reset_external_master()
main: BEGIN
  DECLARE logging BOOLEAN DEFAULT @@session.sql_log_bin;
  DECLARE EXIT HANDLER FOR SQLEXCEPTION BEGIN SET SESSION sql_log_bin = logging; RESIGNAL; END;
  IF mysql.rds_is_read_replica() THEN
    SELECT 'MYSQL.RDS_RESET_EXTERNAL_MASTER is disabled on this host' AS Message;
    LEAVE main;
  END IF;
  SET SESSION sql_log_bin = 0;
  IF mysql.rds_replication_service_state() = 'NOT_EXIST' THEN
    SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'You can''t reset replication because replication isn''t configured. First run mysql.rds_set_external_master.';
  END IF;
  CALL mysql.rds_run('STOP SLAVE');
  CALL mysql.rds_await_state('OFF', 10);
  CALL mysql.rds_run('RESET SLAVE ALL');
  CALL mysql.rds_record('reset slave', NULL, NULL, NULL, NULL, NULL);
  SELECT 'Slave has been reset' AS message;
  SET SESSION sql_log_bin = logging;
END
$$
CREATE PROCEDURE mysql.rds_set_master_auto_position(IN auto_position_mode TINYINT)
BEGIN
  DECLARE logging BOOLEAN DEFAULT @@session.sql_log_bin;
  DECLARE EXIT HANDLER FOR SQLEXCEPTION BEGIN SET SESSION sql_log_bin = logging; RESIGNAL; END;
  SET SESSION sql_log_bin = 0;
  IF auto_position_mode NOT IN (0, 1) THEN
    SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'The auto position mode must be 0 or 1';
  END IF;
  CALL mysql.rds_run('STOP SLAVE');
  CALL mysql.rds_run(CONCAT('CHANGE MASTER TO MASTER_AUTO_POSITION = ', auto_position_mode));
  CALL mysql.rds_run('START SLAVE');
  CALL mysql.rds_record('set master auto position', NULL, NULL, NULL, NULL, NULL);
  SELECT CONCAT('Master Auto Position has been set to ', auto_position_mode, '.') AS Message;
  SET SESSION sql_log_bin = logging;
END
$$
CREATE PROCEDURE mysql.rds_set_source_delay(IN delay INT)
BEGIN
  DECLARE logging BOOLEAN DEFAULT @@session.sql_log_bin;
  DECLARE applying BOOLEAN DEFAULT mysql.rds_applier_runs();
  DECLARE EXIT HANDLER FOR SQLEXCEPTION BEGIN SET SESSION sql_log_bin = logging; RESIGNAL; END;
  SET SESSION sql_log_bin = 0;
  IF delay IS NULL OR delay NOT BETWEEN 0 AND 86400 THEN
    SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'For source delay the value must be between 0 and 86400 inclusive';
  END IF;
  IF applying THEN
    CALL mysql.rds_run('STOP SLAVE SQL_THREAD');
  END IF;
  CALL mysql.rds_run(CONCAT('CHANGE MASTER TO MASTER_DELAY = ', delay));
  IF applying THEN
    CALL mysql.rds_run('START SLAVE SQL_THREAD');
  END IF;
  UPDATE mysql.rds_configuration SET value = delay WHERE name = 'source delay';
  SELECT CONCAT('source delay is set successfully.') AS Message;
  SET SESSION sql_log_bin = logging;
END
$$
CREATE PROCEDURE mysql.rds_next_master_log(IN curr_master_log INT)
BEGIN
  DECLARE logging BOOLEAN DEFAULT @@session.sql_log_bin;
  DECLARE next_log VARCHAR(512) DEFAULT CONCAT('mysql-bin-changelog.', LPAD(curr_master_log + 1, 6, '0'));
  DECLARE EXIT HANDLER FOR SQLEXCEPTION BEGIN SET SESSION sql_log_bin = logging; RESIGNAL; END;
  SET SESSION sql_log_bin = 0;
  CALL mysql.rds_check_broken();
  CALL mysql.rds_run('STOP SLAVE');
  CALL mysql.rds_await_state('OFF', 10);
  CALL mysql.rds_run(CONCAT('CHANGE MASTER TO MASTER_LOG_FILE = ', QUOTE(next_log), ', MASTER_LOG_POS = 4'));
  CALL mysql.rds_run('START SLAVE');
  CALL mysql.rds_await_state('ON', 3);
  CALL mysql.rds_record('next_master_log', NULL, NULL, NULL, next_log, 4);
  SELECT 'Master Log Position has been set to start of next log' AS Message;
  CALL mysql.rds_check_recovered();
  SET SESSION sql_log_bin = logging;
END
$$
CREATE PROCEDURE mysql.rds_skip_repl_error()
BEGIN
  DECLARE logging BOOLEAN DEFAULT @@session.sql_log_bin;
  DECLARE EXIT HANDLER FOR SQLEXCEPTION BEGIN SET SESSION sql_log_bin = logging; RESIGNAL; END;
  SET SESSION sql_log_bin = 0;
  CALL mysql.rds_check_broken();
  CALL mysql.rds_run('STOP SLAVE');
  CALL mysql.rds_await_state('OFF', 10);
  SET GLOBAL sql_slave_skip_counter = 1;
  CALL mysql.rds_run('START SLAVE');
  CALL mysql.rds_await_state('ON', 3);
  CALL mysql.rds_record('skip_repl_error', NULL, NULL, NULL, NULL, NULL);
  SELECT 'Statement in error has been skipped' AS Message;
  CALL mysql.rds_check_recovered();
  SET SESSION sql_log_bin = logging;
END
$$
CREATE PROCEDURE mysql.rds_check_broken()
  SQL SECURITY INVOKER
BEGIN
  CASE mysql.rds_replication_service_state()
    WHEN 'ON' THEN
      SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'Slave is running normally.  No errors detected to skip.';
    WHEN 'BROKEN' THEN BEGIN END;
    ELSE SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'Slave is down or disabled.';
  END CASE;
END
$$
CREATE PROCEDURE mysql.rds_check_recovered()
  SQL SECURITY INVOKER
BEGIN
  IF mysql.rds_replication_service_state() <> 'ON' THEN
    SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'Slave has encountered a new error. Please use SHOW SLAVE STATUS to see the error.';
  END IF;
  SELECT 'Slave is now running normally' AS Message;
END
$$
CREATE PROCEDURE mysql.rds_skip_transaction_with_gtid(IN gtid_to_skip VARCHAR(60))
BEGIN
  DECLARE EXIT HANDLER FOR SQLEXCEPTION BEGIN SET SESSION gtid_next = 'AUTOMATIC'; RESIGNAL; END;
  SET SESSION gtid_next = gtid_to_skip;
  COMMIT;
  SET SESSION gtid_next = 'AUTOMATIC';
  SELECT 'Transaction has been skipped successfully.' AS Message;
END
$$
