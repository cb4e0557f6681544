-- Configuration, sessions and logs, as RDS lets the master user handle them.

CREATE PROCEDURE mysql.rds_show_configuration()
  SELECT name, value, description FROM mysql.rds_configuration
$$
CREATE PROCEDURE mysql.rds_set_configuration(IN name VARCHAR(30), IN value INT)
main: BEGIN
  DECLARE logging BOOLEAN DEFAULT @@session.sql_log_bin;
  IF NOT EXISTS (SELECT 1 FROM mysql.rds_configuration known WHERE known.name = name) THEN
    SET @rds_message = CONCAT('Cannot set unknown configuration parameter ', QUOTE(name), ' using mysql.rds_set_configuration.');
    SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = @rds_message;
  ELSEIF name = 'binlog retention hours' AND value NOT BETWEEN 1 AND 168 THEN
    SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'For binlog retention hours the value must be between 1 and 168 inclusive or be NULL';
  ELSEIF name = 'target delay' AND (value IS NULL OR value NOT BETWEEN 0 AND 86400) THEN
    SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'For target delay the value must be between 0 and 86400 inclusive';
  ELSEIF name = 'source delay' THEN
    CALL mysql.rds_set_source_delay(value);
    LEAVE main;
  END IF;
  SET SESSION sql_log_bin = 0;
  BEGIN
    DECLARE EXIT HANDLER FOR SQLEXCEPTION BEGIN SET SESSION sql_log_bin = logging; RESIGNAL; END;
    UPDATE mysql.rds_configuration known SET known.value = value WHERE known.name = name;
    COMMIT;
    SET SESSION sql_log_bin = logging;
  END;
END
$$
-- Only the accounts of the table are protected: a thread of replication is not.
CREATE PROCEDURE mysql.rds_check_killable(IN thread BIGINT)
  SQL SECURITY INVOKER
BEGIN
  DECLARE owner VARCHAR(96) DEFAULT (
    SELECT MAX(session.user) FROM information_schema.processlist session JOIN mysql.rds_reserved_users reserved
      ON session.user = reserved.user AND reserved.host IN ('%', session.host)
     WHERE session.id = thread AND thread <> CONNECTION_ID());
  IF owner IS NOT NULL THEN
    SET @rds_message = CONCAT('CANNOT KILL ', UPPER(owner), ' SESSION');
    SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = @rds_message;
  END IF;
END
$$
CREATE PROCEDURE mysql.rds_kill(IN thread BIGINT)
  READS SQL DATA
BEGIN
  CALL mysql.rds_check_killable(thread);
  KILL CONNECTION thread;
END
$$
CREATE PROCEDURE mysql.rds_kill_query(IN thread BIGINT)
  READS SQL DATA
BEGIN
  CALL mysql.rds_check_killable(thread);
  KILL QUERY thread;
END
$$
