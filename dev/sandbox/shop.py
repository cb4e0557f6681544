"""The schema of the seeded shop and its rows, made by the server itself out of a table of numbers."""

from __future__ import annotations

from rds_encrypt.rehearse.client import Connection

__all__ = ["DATABASE", "fill", "finish", "grant_application", "make_tables"]

DATABASE = "shop"

_TABLES = (
    """CREATE TABLE customers (
        id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
        name VARCHAR(100) NOT NULL,
        email VARCHAR(120) NOT NULL UNIQUE,
        profile JSON,
        avatar BLOB,
        balance DECIMAL(12,2) NOT NULL DEFAULT 0,
        rating DOUBLE,
        born DATE,
        created_at TIMESTAMP(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6)
    ) DEFAULT CHARSET=utf8mb4""",
    """CREATE TABLE products (
        id INT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
        sku CHAR(12) CHARACTER SET ascii NOT NULL UNIQUE,
        title VARCHAR(200) NOT NULL,
        price DECIMAL(10,2) NOT NULL,
        attributes JSON NOT NULL,
        color VARCHAR(20) AS (JSON_UNQUOTE(JSON_EXTRACT(attributes, '$.color'))) STORED,
        KEY (color)
    ) DEFAULT CHARSET=utf8mb4""",
    """CREATE TABLE orders (
        id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
        customer_id BIGINT UNSIGNED NOT NULL,
        status ENUM('new','paid','shipped','returned') NOT NULL DEFAULT 'new',
        total DECIMAL(12,2) NOT NULL DEFAULT 0,
        note TEXT,
        placed_at DATETIME(6) NOT NULL,
        KEY (placed_at),
        CONSTRAINT orders_customer FOREIGN KEY (customer_id) REFERENCES customers (id)
    ) DEFAULT CHARSET=utf8mb4""",
    """CREATE TABLE order_items (
        order_id BIGINT UNSIGNED NOT NULL,
        line SMALLINT UNSIGNED NOT NULL,
        product_id INT UNSIGNED NOT NULL,
        quantity INT NOT NULL,
        price DECIMAL(10,2) NOT NULL,
        PRIMARY KEY (order_id, line),
        CONSTRAINT items_order FOREIGN KEY (order_id) REFERENCES orders (id) ON DELETE CASCADE,
        CONSTRAINT items_product FOREIGN KEY (product_id) REFERENCES products (id)
    ) DEFAULT CHARSET=utf8mb4""",
    """CREATE TABLE order_changes (
        id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
        order_id BIGINT UNSIGNED NOT NULL,
        old_status VARCHAR(20),
        new_status VARCHAR(20) NOT NULL,
        changed_at TIMESTAMP(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6)
    ) DEFAULT CHARSET=utf8mb4""",
    """CREATE TABLE heartbeats (
        id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
        server_id INT UNSIGNED NOT NULL,
        beat_at TIMESTAMP(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6)
    ) DEFAULT CHARSET=utf8mb4""",
    """CREATE TABLE writes (
        id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
        token VARCHAR(64) CHARACTER SET ascii NOT NULL UNIQUE,
        payload VARCHAR(200),
        written_at TIMESTAMP(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6)
    ) DEFAULT CHARSET=utf8mb4""",
)

_DIGITS = " UNION ALL ".join(f"SELECT {digit} AS d" for digit in range(10))
# Six digits count to a million; a temporary table is not replicated in row format.
_NUMBERS = f"""INSERT INTO numbers
    SELECT n FROM (
        SELECT 1 + a.d + 10*b.d + 100*c.d + 1000*d.d + 10000*e.d + 100000*f.d AS n
        FROM ({_DIGITS}) a JOIN ({_DIGITS}) b JOIN ({_DIGITS}) c
        JOIN ({_DIGITS}) d JOIN ({_DIGITS}) e JOIN ({_DIGITS}) f
    ) counted WHERE n <= %s"""

_CUSTOMERS = """INSERT INTO customers (id, name, email, profile, avatar, balance, rating, born, created_at)
    SELECT n,
        CONCAT(ELT(1 + n %% 6, 'Zoë', 'Łukasz', '美咲', 'Ωmega', 'Ana 🦊', 'Дарья'), ' ', SHA2(n, 224)),
        CONCAT('customer', n, '@example.com'),
        IF(n %% 7 = 0, NULL, JSON_OBJECT('tier', ELT(1 + n %% 3, 'gold', 'silver', 'bronze'), 'visits', n %% 100,
            'mood', ELT(1 + n %% 4, '😀', '🤔', '🥳', '🧑‍🚀'))),
        IF(n %% 5 = 0, UNHEX(SHA2(n, 224)), NULL),
        (n %% 100000) / 100 - 250,
        IF(n %% 9 = 0, NULL, (n %% 50) / 10 + 1 / 3),
        DATE_ADD('1950-01-01', INTERVAL n %% 20000 DAY),
        TIMESTAMPADD(SECOND, n, '2024-01-01 00:00:00')
    FROM numbers WHERE n <= %s"""

_PRODUCTS = """INSERT INTO products (id, sku, title, price, attributes)
    SELECT n, CONCAT('SKU-', LPAD(n, 8, '0')), CONCAT('Product № ', n, ' ☕'), (100 + n %% 9900) / 100,
        JSON_OBJECT('color', ELT(1 + n %% 3, 'red', 'green', 'blue'), 'sizes', JSON_ARRAY(n %% 10, n %% 20))
    FROM numbers WHERE n <= %s"""

_ORDERS = """INSERT INTO orders (id, customer_id, status, total, note, placed_at)
    SELECT n, 1 + n %% %s, ELT(1 + n %% 4, 'new', 'paid', 'shipped', 'returned'), (n %% 50000) / 100,
        IF(n %% 3 = 0, NULL, CONCAT('note ', SHA2(n, 224), ' ✓')), TIMESTAMPADD(MICROSECOND, n * 1234567, '2024-06-01')
    FROM numbers WHERE n <= %s"""

_ITEMS = """INSERT INTO order_items (order_id, line, product_id, quantity, price)
    SELECT n, parts.line, 1 + (n * parts.line) %% %s, 1 + n %% 5, (100 + n %% 9900) / 100
    FROM numbers JOIN (SELECT 1 AS line UNION ALL SELECT 2 UNION ALL SELECT 3) parts WHERE n <= %s"""

_FINISH = (
    """CREATE VIEW customer_orders AS
        SELECT c.id, c.name, COUNT(o.id) AS orders, COALESCE(SUM(o.total), 0) AS total
        FROM customers c LEFT JOIN orders o ON o.customer_id = c.id GROUP BY c.id, c.name""",
    """CREATE TRIGGER orders_status AFTER UPDATE ON orders FOR EACH ROW
        INSERT INTO order_changes (order_id, old_status, new_status) VALUES (NEW.id, OLD.status, NEW.status)""",
    """CREATE PROCEDURE ship_order (IN wanted BIGINT)
        UPDATE orders SET status = 'shipped' WHERE id = wanted""",
    """CREATE FUNCTION order_total (wanted BIGINT) RETURNS DECIMAL(12,2) READS SQL DATA
        RETURN (SELECT SUM(quantity * price) FROM order_items WHERE order_id = wanted)""",
    # The server's own: 5.7 can't load an event with an offset at a start with PAD_CHAR_TO_FULL_LENGTH, which some tests set.
    "SET SESSION time_zone = @@GLOBAL.time_zone",
    # With its own COMMIT: an event's session takes `autocommit` from the parameter group.
    """CREATE EVENT heartbeat ON SCHEDULE EVERY 2 SECOND
        DO BEGIN INSERT INTO heartbeats (server_id) VALUES (@@server_id); COMMIT; END""",
)


def make_tables(connection: Connection) -> None:
    with connection.cursor() as cursor:
        for statement in _TABLES:
            cursor.execute(statement)


def fill(connection: Connection, rows: int) -> int:
    """Insert at least `rows` rows over all tables; returns how many."""
    orders = max(10, rows * 24 // 100)
    customers = max(10, rows * 5 // 100)
    products = max(10, rows // 100)
    with connection.cursor() as cursor:
        cursor.execute("CREATE TEMPORARY TABLE numbers (n INT UNSIGNED NOT NULL PRIMARY KEY)")
        cursor.execute(_NUMBERS, (max(orders, customers, products),))
        made = cursor.execute(_CUSTOMERS, (customers,))
        made += cursor.execute(_PRODUCTS, (products,))
        made += cursor.execute(_ORDERS, (customers, orders))
        made += cursor.execute(_ITEMS, (products, orders))
        if made < rows:
            made += cursor.execute(
                "INSERT INTO writes (token, payload) SELECT CONCAT('seed-', n), SHA2(n, 224) FROM numbers WHERE n <= %s",
                (rows - made,),
            )
        cursor.execute("DROP TEMPORARY TABLE numbers")
    return made


def finish(connection: Connection) -> None:
    """Add what would slow the filling down, or act on it: view, trigger, routines, event."""
    with connection.cursor() as cursor:
        for statement in _FINISH:
            cursor.execute(statement)


def grant_application(connection: Connection, user: str, password: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("CREATE USER %s@'%%' IDENTIFIED BY %s", (user, password))
        cursor.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE, EXECUTE ON {DATABASE}.* TO %s@'%%'", (user,))
