BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0001');
CREATE TABLE alert (
	seq BIGINT NOT NULL, 
	book TEXT NOT NULL, 
	ts BIGINT NOT NULL, 
	kind TEXT NOT NULL, 
	level TEXT NOT NULL, 
	dedup_key TEXT NOT NULL, 
	payload TEXT NOT NULL, 
	PRIMARY KEY (seq), 
	CONSTRAINT one_alert UNIQUE (book, dedup_key), 
	FOREIGN KEY(seq) REFERENCES entry (seq)
);
INSERT INTO "alert" VALUES(21,'main@kraken',1705327380000000,'info','info','i1','{"text":"hello"}');
CREATE TABLE balance (
	seq BIGINT NOT NULL, 
	book TEXT NOT NULL, 
	ts BIGINT NOT NULL, 
	lines TEXT NOT NULL, 
	agrees BOOLEAN NOT NULL, 
	PRIMARY KEY (seq), 
	CONSTRAINT one_balance UNIQUE (book, ts, agrees), 
	FOREIGN KEY(seq) REFERENCES entry (seq)
);
INSERT INTO "balance" VALUES(17,'main@kraken',1705327320000000,'[{"asset":"BTC","ledger":"0.09974","venue":"0"},{"asset":"USD","ledger":"6784.48987000000000001","venue":"0"}]',0);
CREATE TABLE cash (
	seq BIGINT NOT NULL, 
	book TEXT NOT NULL, 
	ts BIGINT NOT NULL, 
	movement_id TEXT NOT NULL, 
	reference_id TEXT NOT NULL, 
	kind TEXT NOT NULL, 
	asset TEXT NOT NULL, 
	amount TEXT NOT NULL, 
	fee TEXT NOT NULL, 
	balance_after TEXT, 
	PRIMARY KEY (seq), 
	CONSTRAINT one_cash UNIQUE (book, movement_id), 
	FOREIGN KEY(seq) REFERENCES entry (seq)
);
INSERT INTO "cash" VALUES(1,'main@kraken',1705320000000000,'m1','R-m1','deposit','USD','10000.00000000000000001','0.5',NULL);
INSERT INTO "cash" VALUES(23,'second@kraken',1705320000000000,'m1','R-m1','deposit','EUR','7','0',NULL);
CREATE TABLE decision (
	seq BIGINT NOT NULL, 
	book TEXT NOT NULL, 
	ts BIGINT NOT NULL, 
	tick_id TEXT NOT NULL, 
	symbol TEXT NOT NULL, 
	strategy TEXT NOT NULL, 
	decision TEXT NOT NULL, 
	PRIMARY KEY (seq), 
	CONSTRAINT one_decision UNIQUE (book, tick_id, symbol, strategy), 
	FOREIGN KEY(seq) REFERENCES entry (seq)
);
INSERT INTO "decision" VALUES(2,'main@kraken',1705320000000000,'t1','BTC/USD','ensemble','{"action":"BUY","bar_ts":"2024-01-15T12:00:00.000000Z","commit_seq":3,"confidence":0.30000000000000004,"guards":[{"guard":"spread","passed":true,"reason":"0.1 %"}],"opinions":[{"confidence":0.25,"direction":0.5,"module":"rsi","reason":"näher","values":{"rsi":28.125}},{"confidence":0.0,"direction":null,"module":"lstm","reason":"no champion","values":{}}],"reason":"told","receipt":null,"strategy":"ensemble","symbol":"BTC/USD"}');
CREATE TABLE delivery (
	seq BIGINT NOT NULL, 
	book TEXT NOT NULL, 
	ts BIGINT NOT NULL, 
	alert_seq BIGINT NOT NULL, 
	channel TEXT NOT NULL, 
	result TEXT NOT NULL, 
	reason TEXT NOT NULL, 
	PRIMARY KEY (seq), 
	CONSTRAINT one_delivery UNIQUE (book, alert_seq, channel), 
	FOREIGN KEY(seq) REFERENCES entry (seq)
);
INSERT INTO "delivery" VALUES(22,'main@kraken',1705327440000000,21,'telegram','sent','');
CREATE TABLE entry (
	seq BIGINT NOT NULL, 
	book TEXT NOT NULL, 
	kind TEXT NOT NULL, 
	PRIMARY KEY (seq)
);
INSERT INTO "entry" VALUES(1,'main@kraken','cash');
INSERT INTO "entry" VALUES(2,'main@kraken','decision');
INSERT INTO "entry" VALUES(3,'main@kraken','intent');
INSERT INTO "entry" VALUES(4,'main@kraken','outcome');
INSERT INTO "entry" VALUES(5,'main@kraken','fill');
INSERT INTO "entry" VALUES(6,'main@kraken','position_plan');
INSERT INTO "entry" VALUES(7,'main@kraken','order_state');
INSERT INTO "entry" VALUES(8,'main@kraken','order_state');
INSERT INTO "entry" VALUES(9,'main@kraken','fill');
INSERT INTO "entry" VALUES(10,'main@kraken','intent');
INSERT INTO "entry" VALUES(11,'main@kraken','outcome');
INSERT INTO "entry" VALUES(12,'main@kraken','fill');
INSERT INTO "entry" VALUES(13,'main@kraken','position_plan');
INSERT INTO "entry" VALUES(14,'main@kraken','intent');
INSERT INTO "entry" VALUES(15,'main@kraken','outcome');
INSERT INTO "entry" VALUES(16,'main@kraken','position_plan');
INSERT INTO "entry" VALUES(17,'main@kraken','balance');
INSERT INTO "entry" VALUES(18,'main@kraken','equity');
INSERT INTO "entry" VALUES(19,'main@kraken','trading_state');
INSERT INTO "entry" VALUES(20,'main@kraken','tick');
INSERT INTO "entry" VALUES(21,'main@kraken','alert');
INSERT INTO "entry" VALUES(22,'main@kraken','delivery');
INSERT INTO "entry" VALUES(23,'second@kraken','cash');
CREATE TABLE equity (
	seq BIGINT NOT NULL, 
	book TEXT NOT NULL, 
	ts BIGINT NOT NULL, 
	equity TEXT NOT NULL, 
	cash TEXT NOT NULL, 
	units TEXT NOT NULL, 
	unit_value TEXT NOT NULL, 
	peak TEXT NOT NULL, 
	drawdown TEXT NOT NULL, 
	currency TEXT NOT NULL, 
	tick_id TEXT NOT NULL, 
	PRIMARY KEY (seq), 
	CONSTRAINT one_equity UNIQUE (book, ts, tick_id), 
	FOREIGN KEY(seq) REFERENCES entry (seq)
);
INSERT INTO "equity" VALUES(18,'main@kraken',1705327320000000,'1','1','1','1','1','0','USD','t3');
CREATE TABLE fill (
	seq BIGINT NOT NULL, 
	book TEXT NOT NULL, 
	ts BIGINT NOT NULL, 
	trade_id TEXT NOT NULL, 
	order_id TEXT NOT NULL, 
	symbol TEXT NOT NULL, 
	side TEXT NOT NULL, 
	amount TEXT NOT NULL, 
	price TEXT NOT NULL, 
	cost TEXT NOT NULL, 
	fee TEXT NOT NULL, 
	fee_currency TEXT NOT NULL, 
	liquidity TEXT NOT NULL, 
	purpose TEXT NOT NULL, 
	client_order_id TEXT, 
	reason TEXT NOT NULL, 
	position_id TEXT, 
	opens BOOLEAN NOT NULL, 
	closes BOOLEAN NOT NULL, 
	PRIMARY KEY (seq), 
	CONSTRAINT one_fill UNIQUE (book, trade_id), 
	FOREIGN KEY(seq) REFERENCES entry (seq)
);
INSERT INTO "fill" VALUES(5,'main@kraken',1705320000000000,'T01','O0','BTC/USD','buy','0.1','30000','3000.0','0.00026','BTC','taker','entry','40726bd1d435526a2c7b59882aa6e419','told to BUY','pos_20240115_001',1,0);
INSERT INTO "fill" VALUES(9,'main@kraken',1705321800000000,'T02','S1','BTC/USD','sell','0.09974','29000.5','2892.509870','7.52','USD','taker','stop','40726bd1d435526a2c7b59882aa6e419','stop','pos_20240115_001',0,1);
INSERT INTO "fill" VALUES(12,'main@kraken',1705320000000000,'T11','O1','BTC/USD','buy','0.1','31000','3100.0','0.00026','BTC','taker','entry','946e10ae48965f682a761a64b77d61b7','told to BUY','pos_20240115_002',1,0);
CREATE TABLE intent (
	seq BIGINT NOT NULL, 
	book TEXT NOT NULL, 
	ts BIGINT NOT NULL, 
	client_order_id TEXT NOT NULL, 
	account TEXT NOT NULL, 
	tick_id TEXT NOT NULL, 
	symbol TEXT NOT NULL, 
	purpose TEXT NOT NULL, 
	leg BIGINT NOT NULL, 
	attempt BIGINT NOT NULL, 
	request TEXT NOT NULL, 
	"plan" TEXT, 
	position_id TEXT, 
	reason TEXT NOT NULL, 
	lease_token BIGINT NOT NULL, 
	PRIMARY KEY (seq), 
	CONSTRAINT one_intent UNIQUE (book, client_order_id), 
	FOREIGN KEY(seq) REFERENCES entry (seq)
);
INSERT INTO "intent" VALUES(3,'main@kraken',1705320000000000,'40726bd1d435526a2c7b59882aa6e419','main','t1','BTC/USD','entry',0,0,'{"amount":"0.1","client_order_id":"40726bd1d435526a2c7b59882aa6e419","close":null,"deadline":null,"kind":"limit","limit_price":"30000","side":"buy","symbol":"BTC/USD","time_in_force":"GTC","trigger_price":null}','{"confidence":0.5,"max_holding":14400000000,"stop_price":"29000","strategy":"ensemble","tags":[],"take_profit_price":"35000","trail_fraction":null}',NULL,'told to BUY',0);
INSERT INTO "intent" VALUES(10,'main@kraken',1705323600000000,'946e10ae48965f682a761a64b77d61b7','main','t2','BTC/USD','entry',0,0,'{"amount":"0.1","client_order_id":"946e10ae48965f682a761a64b77d61b7","close":null,"deadline":null,"kind":"limit","limit_price":"31000","side":"buy","symbol":"BTC/USD","time_in_force":"GTC","trigger_price":null}','{"confidence":0.5,"max_holding":14400000000,"stop_price":"29000","strategy":"ensemble","tags":[],"take_profit_price":"35000","trail_fraction":null}',NULL,'told to BUY',0);
INSERT INTO "intent" VALUES(14,'main@kraken',1705327200000000,'85b47df8100bc48a2cfccef816f5564e','main','t3','ETH/USD','entry',0,0,'{"amount":"1","client_order_id":"85b47df8100bc48a2cfccef816f5564e","close":null,"deadline":null,"kind":"limit","limit_price":"2000","side":"buy","symbol":"ETH/USD","time_in_force":"GTC","trigger_price":null}',NULL,NULL,'',0);
CREATE TABLE lease (
	name TEXT NOT NULL, 
	holder TEXT NOT NULL, 
	token BIGINT NOT NULL, 
	expires BIGINT NOT NULL, 
	PRIMARY KEY (name)
);
INSERT INTO "lease" VALUES('trading:kraken:main','pod-1',1,1705320120000000);
CREATE TABLE order_state (
	seq BIGINT NOT NULL, 
	book TEXT NOT NULL, 
	ts BIGINT NOT NULL, 
	order_id TEXT NOT NULL, 
	client_order_id TEXT, 
	parent_id TEXT, 
	symbol TEXT NOT NULL, 
	side TEXT NOT NULL, 
	kind TEXT NOT NULL, 
	status TEXT NOT NULL, 
	amount TEXT NOT NULL, 
	filled TEXT NOT NULL, 
	average_price TEXT, 
	limit_price TEXT, 
	trigger_price TEXT, 
	opened_at BIGINT NOT NULL, 
	closed_at BIGINT, 
	fingerprint TEXT NOT NULL, 
	PRIMARY KEY (seq), 
	CONSTRAINT one_order_state UNIQUE (book, order_id, fingerprint, ts), 
	FOREIGN KEY(seq) REFERENCES entry (seq)
);
INSERT INTO "order_state" VALUES(7,'main@kraken',1705320120000000,'S1',NULL,'O0','BTC/USD','sell','stop-loss','open','0.1','0',NULL,NULL,'29000',1705320000000000,NULL,'open|0.1|0||29000');
INSERT INTO "order_state" VALUES(8,'main@kraken',1705321800000000,'S1',NULL,'O0','BTC/USD','sell','stop-loss','closed','0.1','0.1',NULL,NULL,'29000',1705320000000000,NULL,'closed|0.1|0.1||29000');
CREATE TABLE outcome (
	seq BIGINT NOT NULL, 
	book TEXT NOT NULL, 
	ts BIGINT NOT NULL, 
	client_order_id TEXT NOT NULL, 
	result TEXT NOT NULL, 
	order_id TEXT, 
	reason TEXT NOT NULL, 
	PRIMARY KEY (seq), 
	CONSTRAINT one_outcome UNIQUE (book, client_order_id, result), 
	FOREIGN KEY(seq) REFERENCES entry (seq)
);
INSERT INTO "outcome" VALUES(4,'main@kraken',1705320060000000,'40726bd1d435526a2c7b59882aa6e419','accepted','O0','');
INSERT INTO "outcome" VALUES(11,'main@kraken',1705323660000000,'946e10ae48965f682a761a64b77d61b7','accepted','O1','');
INSERT INTO "outcome" VALUES(15,'main@kraken',1705327200000000,'85b47df8100bc48a2cfccef816f5564e','unknown',NULL,'time-out');
CREATE TABLE position_plan (
	seq BIGINT NOT NULL, 
	book TEXT NOT NULL, 
	ts BIGINT NOT NULL, 
	position_id TEXT NOT NULL, 
	symbol TEXT NOT NULL, 
	"plan" TEXT NOT NULL, 
	PRIMARY KEY (seq), 
	FOREIGN KEY(seq) REFERENCES entry (seq)
);
INSERT INTO "position_plan" VALUES(6,'main@kraken',1705320000000000,'pos_20240115_001','BTC/USD','{"confidence":0.5,"max_holding":14400000000,"stop_price":"29000","strategy":"ensemble","tags":[],"take_profit_price":"35000","trail_fraction":null}');
INSERT INTO "position_plan" VALUES(13,'main@kraken',1705320000000000,'pos_20240115_002','BTC/USD','{"confidence":0.5,"max_holding":14400000000,"stop_price":"29000","strategy":"ensemble","tags":[],"take_profit_price":"35000","trail_fraction":null}');
INSERT INTO "position_plan" VALUES(16,'main@kraken',1705327260000000,'pos_20240115_002','BTC/USD','{"confidence":0.0,"max_holding":null,"stop_price":"29500","strategy":"","tags":[],"take_profit_price":null,"trail_fraction":null}');
CREATE TABLE tick (
	seq BIGINT NOT NULL, 
	book TEXT NOT NULL, 
	ts BIGINT NOT NULL, 
	tick_id TEXT NOT NULL, 
	slot BIGINT NOT NULL, 
	result TEXT NOT NULL, 
	detail TEXT NOT NULL, 
	PRIMARY KEY (seq), 
	CONSTRAINT one_tick UNIQUE (book, tick_id), 
	FOREIGN KEY(seq) REFERENCES entry (seq)
);
INSERT INTO "tick" VALUES(20,'main@kraken',1705327380000000,'t3',1705327200000000,'done','{"orders":"1"}');
CREATE TABLE trading_state (
	seq BIGINT NOT NULL, 
	book TEXT NOT NULL, 
	ts BIGINT NOT NULL, 
	state TEXT NOT NULL, 
	reason TEXT NOT NULL, 
	PRIMARY KEY (seq), 
	CONSTRAINT one_trading_state UNIQUE (book, ts, state, reason), 
	FOREIGN KEY(seq) REFERENCES entry (seq)
);
INSERT INTO "trading_state" VALUES(19,'main@kraken',1705327380000000,'halted','operator: halted by Ada: looks wrong');
CREATE TRIGGER entry_no_update BEFORE UPDATE ON entry BEGIN SELECT RAISE(ABORT, 'ledger entries are append-only'); END;
CREATE TRIGGER entry_no_delete BEFORE DELETE ON entry BEGIN SELECT RAISE(ABORT, 'ledger entries are append-only'); END;
CREATE TRIGGER entry_no_replace BEFORE INSERT ON entry WHEN EXISTS (SELECT 1 FROM entry WHERE seq = NEW.seq) BEGIN SELECT RAISE(ABORT, 'ledger entries are append-only'); END;
CREATE INDEX decision_by_ts ON decision (book, ts);
CREATE TRIGGER decision_no_update BEFORE UPDATE ON decision BEGIN SELECT RAISE(ABORT, 'ledger entries are append-only'); END;
CREATE TRIGGER decision_no_delete BEFORE DELETE ON decision BEGIN SELECT RAISE(ABORT, 'ledger entries are append-only'); END;
CREATE TRIGGER decision_no_replace BEFORE INSERT ON decision WHEN EXISTS (SELECT 1 FROM decision WHERE seq = NEW.seq) OR EXISTS (SELECT 1 FROM decision WHERE book = NEW.book AND tick_id = NEW.tick_id AND symbol = NEW.symbol AND strategy = NEW.strategy) BEGIN SELECT RAISE(ABORT, 'ledger entries are append-only'); END;
CREATE INDEX intent_by_position_id ON intent (book, position_id);
CREATE INDEX intent_by_tick_id ON intent (book, tick_id);
CREATE TRIGGER intent_no_update BEFORE UPDATE ON intent BEGIN SELECT RAISE(ABORT, 'ledger entries are append-only'); END;
CREATE TRIGGER intent_no_delete BEFORE DELETE ON intent BEGIN SELECT RAISE(ABORT, 'ledger entries are append-only'); END;
CREATE TRIGGER intent_no_replace BEFORE INSERT ON intent WHEN EXISTS (SELECT 1 FROM intent WHERE seq = NEW.seq) OR EXISTS (SELECT 1 FROM intent WHERE book = NEW.book AND client_order_id = NEW.client_order_id) BEGIN SELECT RAISE(ABORT, 'ledger entries are append-only'); END;
CREATE INDEX outcome_by_order_id ON outcome (book, order_id);
CREATE TRIGGER outcome_no_update BEFORE UPDATE ON outcome BEGIN SELECT RAISE(ABORT, 'ledger entries are append-only'); END;
CREATE TRIGGER outcome_no_delete BEFORE DELETE ON outcome BEGIN SELECT RAISE(ABORT, 'ledger entries are append-only'); END;
CREATE TRIGGER outcome_no_replace BEFORE INSERT ON outcome WHEN EXISTS (SELECT 1 FROM outcome WHERE seq = NEW.seq) OR EXISTS (SELECT 1 FROM outcome WHERE book = NEW.book AND client_order_id = NEW.client_order_id AND result = NEW.result) BEGIN SELECT RAISE(ABORT, 'ledger entries are append-only'); END;
CREATE INDEX order_state_by_client_order_id ON order_state (book, client_order_id);
CREATE TRIGGER order_state_no_update BEFORE UPDATE ON order_state BEGIN SELECT RAISE(ABORT, 'ledger entries are append-only'); END;
CREATE TRIGGER order_state_no_delete BEFORE DELETE ON order_state BEGIN SELECT RAISE(ABORT, 'ledger entries are append-only'); END;
CREATE TRIGGER order_state_no_replace BEFORE INSERT ON order_state WHEN EXISTS (SELECT 1 FROM order_state WHERE seq = NEW.seq) OR EXISTS (SELECT 1 FROM order_state WHERE book = NEW.book AND order_id = NEW.order_id AND fingerprint = NEW.fingerprint AND ts = NEW.ts) BEGIN SELECT RAISE(ABORT, 'ledger entries are append-only'); END;
CREATE INDEX fill_by_client_order_id ON fill (book, client_order_id);
CREATE INDEX fill_by_order_id ON fill (book, order_id);
CREATE INDEX fill_by_position_id ON fill (book, position_id);
CREATE INDEX fill_by_ts ON fill (book, ts);
CREATE TRIGGER fill_no_update BEFORE UPDATE ON fill BEGIN SELECT RAISE(ABORT, 'ledger entries are append-only'); END;
CREATE TRIGGER fill_no_delete BEFORE DELETE ON fill BEGIN SELECT RAISE(ABORT, 'ledger entries are append-only'); END;
CREATE TRIGGER fill_no_replace BEFORE INSERT ON fill WHEN EXISTS (SELECT 1 FROM fill WHERE seq = NEW.seq) OR EXISTS (SELECT 1 FROM fill WHERE book = NEW.book AND trade_id = NEW.trade_id) BEGIN SELECT RAISE(ABORT, 'ledger entries are append-only'); END;
CREATE INDEX cash_by_reference_id ON cash (book, reference_id);
CREATE INDEX cash_by_ts ON cash (book, ts);
CREATE TRIGGER cash_no_update BEFORE UPDATE ON cash BEGIN SELECT RAISE(ABORT, 'ledger entries are append-only'); END;
CREATE TRIGGER cash_no_delete BEFORE DELETE ON cash BEGIN SELECT RAISE(ABORT, 'ledger entries are append-only'); END;
CREATE TRIGGER cash_no_replace BEFORE INSERT ON cash WHEN EXISTS (SELECT 1 FROM cash WHERE seq = NEW.seq) OR EXISTS (SELECT 1 FROM cash WHERE book = NEW.book AND movement_id = NEW.movement_id) BEGIN SELECT RAISE(ABORT, 'ledger entries are append-only'); END;
CREATE TRIGGER balance_no_update BEFORE UPDATE ON balance BEGIN SELECT RAISE(ABORT, 'ledger entries are append-only'); END;
CREATE TRIGGER balance_no_delete BEFORE DELETE ON balance BEGIN SELECT RAISE(ABORT, 'ledger entries are append-only'); END;
CREATE TRIGGER balance_no_replace BEFORE INSERT ON balance WHEN EXISTS (SELECT 1 FROM balance WHERE seq = NEW.seq) OR EXISTS (SELECT 1 FROM balance WHERE book = NEW.book AND ts = NEW.ts AND agrees = NEW.agrees) BEGIN SELECT RAISE(ABORT, 'ledger entries are append-only'); END;
CREATE TRIGGER equity_no_update BEFORE UPDATE ON equity BEGIN SELECT RAISE(ABORT, 'ledger entries are append-only'); END;
CREATE TRIGGER equity_no_delete BEFORE DELETE ON equity BEGIN SELECT RAISE(ABORT, 'ledger entries are append-only'); END;
CREATE TRIGGER equity_no_replace BEFORE INSERT ON equity WHEN EXISTS (SELECT 1 FROM equity WHERE seq = NEW.seq) OR EXISTS (SELECT 1 FROM equity WHERE book = NEW.book AND ts = NEW.ts AND tick_id = NEW.tick_id) BEGIN SELECT RAISE(ABORT, 'ledger entries are append-only'); END;
CREATE TRIGGER trading_state_no_update BEFORE UPDATE ON trading_state BEGIN SELECT RAISE(ABORT, 'ledger entries are append-only'); END;
CREATE TRIGGER trading_state_no_delete BEFORE DELETE ON trading_state BEGIN SELECT RAISE(ABORT, 'ledger entries are append-only'); END;
CREATE TRIGGER trading_state_no_replace BEFORE INSERT ON trading_state WHEN EXISTS (SELECT 1 FROM trading_state WHERE seq = NEW.seq) OR EXISTS (SELECT 1 FROM trading_state WHERE book = NEW.book AND ts = NEW.ts AND state = NEW.state AND reason = NEW.reason) BEGIN SELECT RAISE(ABORT, 'ledger entries are append-only'); END;
CREATE INDEX position_plan_by_position_id ON position_plan (book, position_id);
CREATE TRIGGER position_plan_no_update BEFORE UPDATE ON position_plan BEGIN SELECT RAISE(ABORT, 'ledger entries are append-only'); END;
CREATE TRIGGER position_plan_no_delete BEFORE DELETE ON position_plan BEGIN SELECT RAISE(ABORT, 'ledger entries are append-only'); END;
CREATE TRIGGER position_plan_no_replace BEFORE INSERT ON position_plan WHEN EXISTS (SELECT 1 FROM position_plan WHERE seq = NEW.seq) BEGIN SELECT RAISE(ABORT, 'ledger entries are append-only'); END;
CREATE INDEX tick_by_ts ON tick (book, ts);
CREATE TRIGGER tick_no_update BEFORE UPDATE ON tick BEGIN SELECT RAISE(ABORT, 'ledger entries are append-only'); END;
CREATE TRIGGER tick_no_delete BEFORE DELETE ON tick BEGIN SELECT RAISE(ABORT, 'ledger entries are append-only'); END;
CREATE TRIGGER tick_no_replace BEFORE INSERT ON tick WHEN EXISTS (SELECT 1 FROM tick WHERE seq = NEW.seq) OR EXISTS (SELECT 1 FROM tick WHERE book = NEW.book AND tick_id = NEW.tick_id) BEGIN SELECT RAISE(ABORT, 'ledger entries are append-only'); END;
CREATE TRIGGER alert_no_update BEFORE UPDATE ON alert BEGIN SELECT RAISE(ABORT, 'ledger entries are append-only'); END;
CREATE TRIGGER alert_no_delete BEFORE DELETE ON alert BEGIN SELECT RAISE(ABORT, 'ledger entries are append-only'); END;
CREATE TRIGGER alert_no_replace BEFORE INSERT ON alert WHEN EXISTS (SELECT 1 FROM alert WHERE seq = NEW.seq) OR EXISTS (SELECT 1 FROM alert WHERE book = NEW.book AND dedup_key = NEW.dedup_key) BEGIN SELECT RAISE(ABORT, 'ledger entries are append-only'); END;
CREATE TRIGGER delivery_no_update BEFORE UPDATE ON delivery BEGIN SELECT RAISE(ABORT, 'ledger entries are append-only'); END;
CREATE TRIGGER delivery_no_delete BEFORE DELETE ON delivery BEGIN SELECT RAISE(ABORT, 'ledger entries are append-only'); END;
CREATE TRIGGER delivery_no_replace BEFORE INSERT ON delivery WHEN EXISTS (SELECT 1 FROM delivery WHERE seq = NEW.seq) OR EXISTS (SELECT 1 FROM delivery WHERE book = NEW.book AND alert_seq = NEW.alert_seq AND channel = NEW.channel) BEGIN SELECT RAISE(ABORT, 'ledger entries are append-only'); END;
COMMIT;
