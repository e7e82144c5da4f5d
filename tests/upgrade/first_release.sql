-- A database as the first release left it when it was killed in the middle of work: schema version 5. Its keys are the tests'.
PRAGMA foreign_keys = OFF;
BEGIN TRANSACTION;
CREATE TABLE accounts (
    account_id  TEXT    NOT NULL PRIMARY KEY,
    -- What an account may do. Wallet accounts read 'provider' and may rent as well.
    role        TEXT    NOT NULL CHECK (role = 'consumer' OR role = 'provider' OR role = 'system'),
    -- Where it came from: POST /api/auth/register, a worker's first registration, a wallet's first
    -- sign-in, the platform itself, or the outside world (the other side of deposits and withdrawals).
    origin      TEXT    NOT NULL CHECK (origin = 'registered' OR origin = 'worker' OR origin = 'wallet'
                                               OR origin = 'platform' OR origin = 'outside'),
    -- Proven by signature for a wallet, merely claimed for the others.
    eth_address TEXT    NOT NULL DEFAULT '' COLLATE NOCASE,
    -- A cache of the ledger's entries; `xenblocks audit` rebuilds and checks it.
    balance     INTEGER NOT NULL DEFAULT 0,
    -- The part of the balance that active leases hold.
    held        INTEGER NOT NULL DEFAULT 0 CHECK (held >= 0),
    created_at  INTEGER NOT NULL,
    CHECK (origin = 'outside' OR balance >= held)
) STRICT;
INSERT INTO "accounts" VALUES('_outside','system','outside','',-401599845678,0,1795265473442466);
INSERT INTO "accounts" VALUES('platform-treasury','consumer','platform','',3008,0,1795265473442466);
INSERT INTO "accounts" VALUES('consumer-1','consumer','registered','0xaabbccddee1234567890abcdef1234567890abcd',1000000000,0,1795265473442466);
INSERT INTO "accounts" VALUES('consumer-2','consumer','registered','0x1111111111222222222233333333334444444444',500000000,0,1795265473442466);
INSERT INTO "accounts" VALUES('sim-worker-001','provider','worker','0x00ddb36af262b35a4dfdeba4065df1928647d2f6',20020641,0,1795265473681938);
INSERT INTO "accounts" VALUES('sim-worker-002','provider','worker','0x3a265dbea0f1d27ede141ddadde1936a64da3b9a',22796,0,1795265473707080);
INSERT INTO "accounts" VALUES('sim-worker-004','provider','worker','0x719d71e4a3d7c15fcfff3699c58b9d0c6e17786d',0,0,1795265473727689);
INSERT INTO "accounts" VALUES('sim-worker-003','provider','worker','0x922872221e1847cd6894845a9a0eef0b41e8f0a8',0,0,1795265473733754);
INSERT INTO "accounts" VALUES('fleet-worker-001','provider','worker','0x4a62316623ad457F02cDC5D997deD67a383EC569',0,0,1795265474904791);
INSERT INTO "accounts" VALUES('wallet-0x4a623166','provider','wallet','0x4a62316623ad457F02cDC5D997deD67a383EC569',19999649,0,1795265474959362);
INSERT INTO "accounts" VALUES('renata','consumer','registered','0x1111111111222222222233333333334444444444',400009809487,65069250240,1795265474967441);
INSERT INTO "accounts" VALUES('twin','consumer','registered','0x3a265dbea0f1d27ede141ddadde1936a64da3b9a',49990097,4000000,1795265474971135);
INSERT INTO "accounts" VALUES('idle','provider','registered','',0,0,1795265474990400);
CREATE TABLE api_keys (
    key_id       INTEGER PRIMARY KEY,
    account_id   TEXT    NOT NULL REFERENCES accounts (account_id),
    digest       BLOB    NOT NULL UNIQUE,
    -- The first characters, to tell keys apart in a list.
    hint         TEXT    NOT NULL,
    created_at   INTEGER NOT NULL,
    revoked_at   INTEGER
) STRICT;
INSERT INTO "api_keys" VALUES(1,'renata',X'2ABC12DCB15DF493DDD8D716A8A14D16972AD458892702DF05C5E82C11A166F4','28404ada',1795265474967441,NULL);
INSERT INTO "api_keys" VALUES(2,'twin',X'1D15FD1D0FD4CD0DECAF56A7EB0F91DB56E197AC32B696A9B69DF0338F1D2ED3','d3b62ddf',1795265474971135,NULL);
INSERT INTO "api_keys" VALUES(3,'idle',X'8DC6C092428389FE14D6D0CEC26EAAE793B83BCB4A8ED6D8F6F9F10380CEA41A','fc60daf1',1795265474990400,NULL);
INSERT INTO "api_keys" VALUES(4,'renata',X'86A6F91090B60E812E5F454B6D68AED4D1F832F6EB2354C4C811CD2ED9C1BE15','46ef6982',1795265475035623,1795265475048996);
CREATE TABLE blocks (
    block_seq      INTEGER PRIMARY KEY,
    -- NULL: self-mined.
    lease_id       TEXT,
    worker_id      TEXT    NOT NULL,
    hash           TEXT    NOT NULL,
    -- Lower case: a block is recorded once per key, whoever repeats it.
    key            TEXT    NOT NULL UNIQUE,
    account        TEXT    NOT NULL,
    attempts       INTEGER NOT NULL,
    hashrate       TEXT    NOT NULL,
    prefix_valid   INTEGER NOT NULL CHECK (prefix_valid IN (0, 1)),
    chain_verified INTEGER NOT NULL DEFAULT 0 CHECK (chain_verified IN (0, 1)),
    -- 1 until it was looked for on the chain and recomputed.
    pending        INTEGER NOT NULL DEFAULT 0 CHECK (pending IN (0, 1)),
    chain_block_id INTEGER,
    created_at     INTEGER NOT NULL
) STRICT;
INSERT INTO "blocks" VALUES(1,NULL,'fleet-worker-001','62f3682f1642050ea397XEN11c577d4f73aeb23bbb53dda2be1fe6227c80cf3','8a5e67292672e6f027b7b01575f3b2c9bdf9a2a37f24ef6a2fc56a4562e37830','0x4a62316623ad457F02cDC5D997deD67a383EC569',173334,'94.35',1,0,0,NULL,1795265474994889);
INSERT INTO "blocks" VALUES(2,'lease-92b97962-f876-4adc-acf3-f2e36dd8db0f','sim-worker-001','3bc323552cebfc82c3ebXEN1179aa6e3d1c70f038a1b39495eb4e00f32c7c4e','9442623cee8f99b1c6c51cae3a27af3226e49e6f9fd36f49704e4e4218408849','0x1111111111222222222233333333334444444444',1829389,'1610.74',1,1,0,1,1795265475879576);
INSERT INTO "blocks" VALUES(3,'lease-92b97962-f876-4adc-acf3-f2e36dd8db0f','sim-worker-001','95e3e252aa2fac7de79eXEN11ff6a0c89202fe7b9b27e0722f28d732a4c9457','9442623cee8f99b16785a64345cf66313c7d1813c8a9f535a5a015eb665b3037','0x1111111111222222222233333333334444444444',350228,'1610.74',1,1,0,2,1795265477279162);
INSERT INTO "blocks" VALUES(4,'lease-0713357f-4795-402f-b891-82757341c0e0','sim-worker-001','ef1555815fd1fdcf1619XEN1146d97988b3e5b2998be4e9ac785c9118b59f14','7cbcead82bcb62ec1d6838e57d194e1a2523ddf8f7bbc7e2030db5d32e8294a0','0x2222222222222222222222222222222222222222',821887,'1610.74',1,1,0,3,1795265477779205);
INSERT INTO "blocks" VALUES(5,NULL,'fleet-worker-001','459f10da56a6b8c03517XEN11f002de4384f9320c32ccc04c75956aa724fa8f','0f57f9ffadc97202094379241080e83d9c6b7ab63a63f72a16b575aaabaf03ba','0x4a62316623ad457F02cDC5D997deD67a383EC569',348558,'94.35',1,0,0,NULL,1795265478109031);
INSERT INTO "blocks" VALUES(6,NULL,'fleet-worker-001','19b2dddd65c81ee3056aXEN11efc303fb3684f7a6a0455d7bad467f6de1683b','f1963ed2dd1d3bb6d77afdced050b8444bae87dd9ec2b1f73231a729e4805d04','0x4a62316623ad457F02cDC5D997deD67a383EC569',1636288,'94.35',1,0,0,NULL,1795265478811850);
INSERT INTO "blocks" VALUES(7,'lease-ef24fb66-e2de-4ac3-9818-81eb0a1c8a16','sim-worker-002','437806187b825ce7f4f6XEN11cee0f307cf63bfcf77314d2aa1d8a98923ce78','86a5bf41867bd3a727093bd4aed461e243722ac7f66fa39a8fa03350ddae9b9d','0x3a265dbea0f1d27ede141ddadde1936a64da3b9a',1997901,'863.32',1,1,0,4,1795265478990260);
INSERT INTO "blocks" VALUES(8,'lease-4dbc6ff9-cd42-4f31-83df-e250246a57f2','sim-worker-002','b69a9e630a32baa317b5XEN11f34a9ca26d1d42fd7ff0c84c6975b8debebd74','990817c8d1704b98e18248b20ae4cf0af8c3a9870c19a31c8d59059fe5e1f34b','0x3a265dbea0f1d27ede141ddadde1936a64da3b9a',454430,'863.32',1,1,0,5,1795265479723510);
INSERT INTO "blocks" VALUES(9,'lease-39b5509b-751d-40a2-a3b5-6c35472c1b57','sim-worker-002','dc193c497eb2a23eccaaXEN11ff461c35358cea2046e199099420949ae869f2','59640a9e2cf5714097cc3635b65066f98cfc14cee6cf24b90b133aa058867dfc','0x1111111111222222222233333333334444444444',1085382,'863.32',1,1,0,6,1795265480123384);
INSERT INTO "blocks" VALUES(10,'lease-39b5509b-751d-40a2-a3b5-6c35472c1b57','sim-worker-002','e8208a7bacdc975e3bdbXEN11851103b81337c1077eb4d0662dcdfc30ec8a36','59640a9e2cf57140d00e93b367a49e1e5636a65d1b2f504366be5d2fc8880e21','0x1111111111222222222233333333334444444444',1784225,'863.32',1,1,0,7,1795265480418359);
INSERT INTO "blocks" VALUES(11,'lease-26e802ce-2ec8-4bbd-9bea-97956f901a03','fleet-worker-001','3aa39d4e2865d3c53c97XEN11ad2f5599c52ab47609e95602b6ce89dd5ce414','644755e3b0adfbe2bd93e44acde37ff8875be456868d6d3eda5ea41a25cd55c1','0x4a62316623ad457F02cDC5D997deD67a383EC569',1405336,'94.35',1,0,0,NULL,1795265481036934);
INSERT INTO "blocks" VALUES(12,NULL,'fleet-worker-001','2265f2cf046f4ca5be48XEN118b545d9bc99781b47c295d4d2b5f1dd713ae03','ca5fd59ca81c4a843a25b98425a57b18115137d23b6ba8b330b7681f29b520b7','0x4a62316623ad457F02cDC5D997deD67a383EC569',1361838,'94.35',1,0,0,NULL,1795265482149921);
INSERT INTO "blocks" VALUES(13,'lease-8a8c7a80-45e2-4d45-8cf2-b06cf9909376','sim-worker-003','5b7dd6f1725713ae5039XEN11730a795a6c1163b10f025d7585d092974feac5','9165680b6d2ba72fb9910a9449d6fdfbdc110e323526357e0fea0ee75520e762','0x1111111111222222222233333333334444444444',1341014,'1611.77',1,1,0,8,1795265482159351);
INSERT INTO "blocks" VALUES(14,'lease-8a8c7a80-45e2-4d45-8cf2-b06cf9909376','sim-worker-003','77cdba849a08aefc1f3bXEN112ef99e509728af5151996bfc89651ed4e4f951','9165680b6d2ba72f876ee176452d566e1b5342dc54c8b027d8b7e2f65a8f96aa','0x1111111111222222222233333333334444444444',219119,'1611.77',1,1,0,9,1795265483050684);
INSERT INTO "blocks" VALUES(15,NULL,'fleet-worker-001','52e3de6e456324b7d69eXEN116c91882f09a3a9d83b25a991538d3d5f337574','32f146aec1cbb724e831ca7f1d4d4382a6c2ab2ffe51addbca8b376ab06c7177','0x4a62316623ad457F02cDC5D997deD67a383EC569',1132160,'94.35',1,0,0,NULL,1795265483450099);
INSERT INTO "blocks" VALUES(16,'lease-8a8c7a80-45e2-4d45-8cf2-b06cf9909376','sim-worker-003','e34022988c6d624310d2XEN118f09915c439d10cef3e62a5d323d60c4e1c0f2','9165680b6d2ba72f056522ae498c2aa29aaf98280b1750ec3a96b48e2651c01e','0x1111111111222222222233333333334444444444',1856827,'1611.77',1,1,0,10,1795265483455503);
INSERT INTO "blocks" VALUES(17,NULL,'fleet-worker-001','407e72da873cac4066a5XEN114d4c13d5a4495140569a10d185334ece4b31af','620a83b8b0434d20902a9083abd6ae9651cecb2c56700284a647784d6a88c289','0x4a62316623ad457F02cDC5D997deD67a383EC569',1962266,'94.35',1,0,0,NULL,1795265483549537);
INSERT INTO "blocks" VALUES(18,NULL,'fleet-worker-001','163f4eda8e6c6aa1e9ffXEN11a0a34e0d2c776e4190d2b84f0161e2f1ab37c9','a663013a7619065c81e21fe1cab8b083a19d671f5348b806d44ca57337fb685c','0x4a62316623ad457F02cDC5D997deD67a383EC569',1582012,'94.35',1,0,0,NULL,1795265483749761);
INSERT INTO "blocks" VALUES(19,'lease-9020808b-18ca-4db4-8005-2eb11578aa33','sim-worker-002','429c20b87bb3d5508bf6XEN11f649c1271fb1cec687551b3b3a502c9f81b410','8e8046a2c407657afdf40944805878af297233e0ef7dbcdeb1fcc1499682a08a','0x3a265dbea0f1d27ede141ddadde1936a64da3b9a',1872982,'850.67',1,1,0,11,1795265484482832);
INSERT INTO "blocks" VALUES(20,'lease-8a8c7a80-45e2-4d45-8cf2-b06cf9909376','sim-worker-003','aab2a0092e03c33f89e2XEN114c092bb24c11e9944bd8a5ee1499b27aab203c','9165680b6d2ba72fe3af65c9095b008a9696e819f4c7506e901f60fef678db52','0x1111111111222222222233333333334444444444',626449,'1613.74',1,1,0,12,1795265484486689);
INSERT INTO "blocks" VALUES(21,'lease-1fbf86ec-57a9-4e57-82dc-94a6e5c1574d','sim-worker-004','1a4ff4fe0978ae2a69bdXEN11d1b39a432d934a3f4e08adcbfb5f0e7fb05b65','416e242d7776e80db4de31318491f1d8e60720da0d802e2794240e736e78f4e2','0x1111111111222222222233333333334444444444',367962,'1190.81',1,1,0,13,1795265484780998);
INSERT INTO "blocks" VALUES(22,'lease-8a8c7a80-45e2-4d45-8cf2-b06cf9909376','sim-worker-003','92c3a9dfca38f83bf19fXEN11edf6549202f3036c294809dec780f9fce9d694','9165680b6d2ba72f123addb0387e9c44aebc36cf16249c4d816d608b4c72dc43','0x1111111111222222222233333333334444444444',1132635,'1613.74',1,1,0,14,1795265485902418);
INSERT INTO "blocks" VALUES(23,'lease-8a8c7a80-45e2-4d45-8cf2-b06cf9909376','sim-worker-003','e3164138b375c625bdf8XEN11ea7c960b13591496da4b4636d42a92e9a7293e','9165680b6d2ba72ff0de60362fbfcfd5563f8474a71e63e91830417ecd034f47','0x1111111111222222222233333333334444444444',577250,'1613.74',1,1,0,15,1795265486104725);
INSERT INTO "blocks" VALUES(24,'lease-8a8c7a80-45e2-4d45-8cf2-b06cf9909376','sim-worker-003','ff369bcb1085a6e76fdaXEN118ffafbe8ed62a6ae77c6afb0f15b2297d1765b','9165680b6d2ba72fe2c069ba4fce2609108fda46995a4d1329466e8dac5eb750','0x1111111111222222222233333333334444444444',851623,'1613.74',1,1,0,16,1795265486499357);
INSERT INTO "blocks" VALUES(25,'lease-1fbf86ec-57a9-4e57-82dc-94a6e5c1574d','sim-worker-004','4160b7f9afd8127e8e80XEN1197d534414d6f219dc8dd6e85db03dd1333fe7e','416e242d7776e80df170ea903c52674423066415aac480775bbb225284a2dd15','0x1111111111222222222233333333334444444444',903299,'1190.81',1,1,0,17,1795265486603191);
INSERT INTO "blocks" VALUES(26,'lease-1fbf86ec-57a9-4e57-82dc-94a6e5c1574d','sim-worker-004','87b4bac92f147f2d531cXEN112fd87e44597abe5fa61f2f3a4c8ce19cd2e2c6','416e242d7776e80df4cdcaa2f774ebaacb10b251424f62ff7dabde85abe46eff','0x1111111111222222222233333333334444444444',1400116,'1190.81',1,1,0,18,1795265486701575);
INSERT INTO "blocks" VALUES(27,'lease-8a8c7a80-45e2-4d45-8cf2-b06cf9909376','sim-worker-003','f622e00b29c5ed044d5cXEN115ce74a4a8dfcc3953ccffe9256028435331751','9165680b6d2ba72f852572b2df7edd627242a21c1f588d6faf10e2d7da7b3fda','0x1111111111222222222233333333334444444444',1847051,'1613.74',1,1,0,19,1795265487303565);
INSERT INTO "blocks" VALUES(28,'lease-9020808b-18ca-4db4-8005-2eb11578aa33','sim-worker-002','cf23a6a9f8654b191229XEN115108700e56ab8ef5f1ebd025c06509dd032beb','8e8046a2c407657ae33eb5295eb429f0f4d8fce6eda14f0b59e2212d1b5a7456','0x3a265dbea0f1d27ede141ddadde1936a64da3b9a',123183,'850.67',1,1,0,20,1795265487411525);
INSERT INTO "blocks" VALUES(29,'lease-9020808b-18ca-4db4-8005-2eb11578aa33','sim-worker-002','15c7cd6dbee8199e641dXEN11a55730c1cbdc7c8eb834bacaa68e36b2586859','8e8046a2c407657af7080128584e528bb2ebf06180112d31b7e7e1d687fce5fa','0x3a265dbea0f1d27ede141ddadde1936a64da3b9a',751271,'850.67',1,1,0,21,1795265487600310);
INSERT INTO "blocks" VALUES(30,'lease-1fbf86ec-57a9-4e57-82dc-94a6e5c1574d','sim-worker-004','f87c7cb60bf619e821f6XEN11d890f0dcf5de3cb94eb4cffc00aae706a8b2d9','416e242d7776e80d32b68df6e55c3c0c51c406611fcbfe2e56c0c37ddb17c0da','0x1111111111222222222233333333334444444444',277383,'1190.81',1,1,0,22,1795265487607640);
CREATE TABLE chain_blocks (
    block_id INTEGER PRIMARY KEY CHECK (block_id > 0),
    key TEXT NOT NULL UNIQUE CHECK (length(key) BETWEEN 64 AND 128 AND key NOT GLOB '*[^0-9a-f]*'),
    account TEXT NOT NULL COLLATE NOCASE CHECK (length(account) <= 128),
    hash_to_verify TEXT NOT NULL CHECK (length(hash_to_verify) <= 256),
    block_type TEXT NOT NULL CHECK (block_type = 'normal' OR block_type = 'super' OR block_type = 'xuni'),
    attempts INTEGER NOT NULL CHECK (attempts >= 0),
    hashes_per_second TEXT NOT NULL,
    worker TEXT NOT NULL,
    pow_verified INTEGER NOT NULL CHECK (pow_verified IN (0, 1)),
    created_at INTEGER NOT NULL -- microseconds
) STRICT;
INSERT INTO "chain_blocks" VALUES(1,'9442623cee8f99b1c6c51cae3a27af3226e49e6f9fd36f49704e4e4218408849','0x1111111111222222222233333333334444444444','3bc323552cebfc82c3ebXEN1179aa6e3d1c70f038a1b39495eb4e00f32c7c4e','normal',1829389,'1610.74','sim-worker-001',0,1795265475872363);
INSERT INTO "chain_blocks" VALUES(2,'9442623cee8f99b16785a64345cf66313c7d1813c8a9f535a5a015eb665b3037','0x1111111111222222222233333333334444444444','95e3e252aa2fac7de79eXEN11ff6a0c89202fe7b9b27e0722f28d732a4c9457','normal',350228,'1610.74','sim-worker-001',0,1795265477274038);
INSERT INTO "chain_blocks" VALUES(3,'7cbcead82bcb62ec1d6838e57d194e1a2523ddf8f7bbc7e2030db5d32e8294a0','0x2222222222222222222222222222222222222222','ef1555815fd1fdcf1619XEN1146d97988b3e5b2998be4e9ac785c9118b59f14','normal',821887,'1610.74','sim-worker-001',0,1795265477774795);
INSERT INTO "chain_blocks" VALUES(4,'86a5bf41867bd3a727093bd4aed461e243722ac7f66fa39a8fa03350ddae9b9d','0x3a265dbea0f1d27ede141ddadde1936a64da3b9a','437806187b825ce7f4f6XEN11cee0f307cf63bfcf77314d2aa1d8a98923ce78','normal',1997901,'863.32','sim-worker-002',0,1795265478984312);
INSERT INTO "chain_blocks" VALUES(5,'990817c8d1704b98e18248b20ae4cf0af8c3a9870c19a31c8d59059fe5e1f34b','0x3a265dbea0f1d27ede141ddadde1936a64da3b9a','b69a9e630a32baa317b5XEN11f34a9ca26d1d42fd7ff0c84c6975b8debebd74','normal',454430,'863.32','sim-worker-002',0,1795265479713094);
INSERT INTO "chain_blocks" VALUES(6,'59640a9e2cf5714097cc3635b65066f98cfc14cee6cf24b90b133aa058867dfc','0x1111111111222222222233333333334444444444','dc193c497eb2a23eccaaXEN11ff461c35358cea2046e199099420949ae869f2','normal',1085382,'863.32','sim-worker-002',0,1795265480113762);
INSERT INTO "chain_blocks" VALUES(7,'59640a9e2cf57140d00e93b367a49e1e5636a65d1b2f504366be5d2fc8880e21','0x1111111111222222222233333333334444444444','e8208a7bacdc975e3bdbXEN11851103b81337c1077eb4d0662dcdfc30ec8a36','normal',1784225,'863.32','sim-worker-002',0,1795265480414183);
INSERT INTO "chain_blocks" VALUES(8,'9165680b6d2ba72fb9910a9449d6fdfbdc110e323526357e0fea0ee75520e762','0x1111111111222222222233333333334444444444','5b7dd6f1725713ae5039XEN11730a795a6c1163b10f025d7585d092974feac5','normal',1341014,'1611.77','sim-worker-003',0,1795265482150104);
INSERT INTO "chain_blocks" VALUES(9,'9165680b6d2ba72f876ee176452d566e1b5342dc54c8b027d8b7e2f65a8f96aa','0x1111111111222222222233333333334444444444','77cdba849a08aefc1f3bXEN112ef99e509728af5151996bfc89651ed4e4f951','normal',219119,'1611.77','sim-worker-003',0,1795265483048754);
INSERT INTO "chain_blocks" VALUES(10,'9165680b6d2ba72f056522ae498c2aa29aaf98280b1750ec3a96b48e2651c01e','0x1111111111222222222233333333334444444444','e34022988c6d624310d2XEN118f09915c439d10cef3e62a5d323d60c4e1c0f2','normal',1856827,'1611.77','sim-worker-003',0,1795265483450243);
INSERT INTO "chain_blocks" VALUES(11,'8e8046a2c407657afdf40944805878af297233e0ef7dbcdeb1fcc1499682a08a','0x3a265dbea0f1d27ede141ddadde1936a64da3b9a','429c20b87bb3d5508bf6XEN11f649c1271fb1cec687551b3b3a502c9f81b410','normal',1872982,'850.67','sim-worker-002',0,1795265484474819);
INSERT INTO "chain_blocks" VALUES(12,'9165680b6d2ba72fe3af65c9095b008a9696e819f4c7506e901f60fef678db52','0x1111111111222222222233333333334444444444','aab2a0092e03c33f89e2XEN114c092bb24c11e9944bd8a5ee1499b27aab203c','normal',626449,'1613.74','sim-worker-003',0,1795265484478536);
INSERT INTO "chain_blocks" VALUES(13,'416e242d7776e80db4de31318491f1d8e60720da0d802e2794240e736e78f4e2','0x1111111111222222222233333333334444444444','1a4ff4fe0978ae2a69bdXEN11d1b39a432d934a3f4e08adcbfb5f0e7fb05b65','normal',367962,'1190.81','sim-worker-004',0,1795265484778934);
INSERT INTO "chain_blocks" VALUES(14,'9165680b6d2ba72f123addb0387e9c44aebc36cf16249c4d816d608b4c72dc43','0x1111111111222222222233333333334444444444','92c3a9dfca38f83bf19fXEN11edf6549202f3036c294809dec780f9fce9d694','normal',1132635,'1613.74','sim-worker-003',0,1795265485895268);
INSERT INTO "chain_blocks" VALUES(15,'9165680b6d2ba72ff0de60362fbfcfd5563f8474a71e63e91830417ecd034f47','0x1111111111222222222233333333334444444444','e3164138b375c625bdf8XEN11ea7c960b13591496da4b4636d42a92e9a7293e','normal',577250,'1613.74','sim-worker-003',0,1795265486102614);
INSERT INTO "chain_blocks" VALUES(16,'9165680b6d2ba72fe2c069ba4fce2609108fda46995a4d1329466e8dac5eb750','0x1111111111222222222233333333334444444444','ff369bcb1085a6e76fdaXEN118ffafbe8ed62a6ae77c6afb0f15b2297d1765b','normal',851623,'1613.74','sim-worker-003',0,1795265486496442);
INSERT INTO "chain_blocks" VALUES(17,'416e242d7776e80df170ea903c52674423066415aac480775bbb225284a2dd15','0x1111111111222222222233333333334444444444','4160b7f9afd8127e8e80XEN1197d534414d6f219dc8dd6e85db03dd1333fe7e','normal',903299,'1190.81','sim-worker-004',0,1795265486596648);
INSERT INTO "chain_blocks" VALUES(18,'416e242d7776e80df4cdcaa2f774ebaacb10b251424f62ff7dabde85abe46eff','0x1111111111222222222233333333334444444444','87b4bac92f147f2d531cXEN112fd87e44597abe5fa61f2f3a4c8ce19cd2e2c6','normal',1400116,'1190.81','sim-worker-004',0,1795265486696777);
INSERT INTO "chain_blocks" VALUES(19,'9165680b6d2ba72f852572b2df7edd627242a21c1f588d6faf10e2d7da7b3fda','0x1111111111222222222233333333334444444444','f622e00b29c5ed044d5cXEN115ce74a4a8dfcc3953ccffe9256028435331751','normal',1847051,'1613.74','sim-worker-003',0,1795265487297573);
INSERT INTO "chain_blocks" VALUES(20,'8e8046a2c407657ae33eb5295eb429f0f4d8fce6eda14f0b59e2212d1b5a7456','0x3a265dbea0f1d27ede141ddadde1936a64da3b9a','cf23a6a9f8654b191229XEN115108700e56ab8ef5f1ebd025c06509dd032beb','normal',123183,'850.67','sim-worker-002',0,1795265487397752);
INSERT INTO "chain_blocks" VALUES(21,'8e8046a2c407657af7080128584e528bb2ebf06180112d31b7e7e1d687fce5fa','0x3a265dbea0f1d27ede141ddadde1936a64da3b9a','15c7cd6dbee8199e641dXEN11a55730c1cbdc7c8eb834bacaa68e36b2586859','normal',751271,'850.67','sim-worker-002',0,1795265487598078);
INSERT INTO "chain_blocks" VALUES(22,'416e242d7776e80d32b68df6e55c3c0c51c406611fcbfe2e56c0c37ddb17c0da','0x1111111111222222222233333333334444444444','f87c7cb60bf619e821f6XEN11d890f0dcf5de3cb94eb4cffc00aae706a8b2d9','normal',277383,'1190.81','sim-worker-004',0,1795265487600396);
CREATE TABLE chain_miners (
    account TEXT NOT NULL PRIMARY KEY COLLATE NOCASE,
    blocks INTEGER NOT NULL CHECK (blocks > 0),
    balance INTEGER NOT NULL CHECK (balance >= 0) -- millionths
) STRICT, WITHOUT ROWID;
INSERT INTO "chain_miners" VALUES('0x1111111111222222222233333333334444444444',16,160000000);
INSERT INTO "chain_miners" VALUES('0x2222222222222222222222222222222222222222',1,10000000);
INSERT INTO "chain_miners" VALUES('0x3a265dbea0f1d27ede141ddadde1936a64da3b9a',5,50000000);
CREATE TABLE chain_state (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    difficulty INTEGER NOT NULL CHECK (difficulty > 0),
    difficulty_start INTEGER NOT NULL CHECK (difficulty_start > 0),
    next_block_id INTEGER NOT NULL CHECK (next_block_id > 0),
    normal_blocks INTEGER NOT NULL CHECK (normal_blocks >= 0),
    super_blocks INTEGER NOT NULL CHECK (super_blocks >= 0),
    xuni_blocks INTEGER NOT NULL CHECK (xuni_blocks >= 0),
    miners INTEGER NOT NULL CHECK (miners >= 0)
) STRICT;
INSERT INTO "chain_state" VALUES(1,8,8,23,22,0,0,3);
CREATE TABLE counters (
    name  TEXT    NOT NULL PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO "counters" VALUES('blocks',30);
INSERT INTO "counters" VALUES('blocks_self_mined',7);
INSERT INTO "counters" VALUES('fees',3008);
INSERT INTO "counters" VALUES('leases',9);
INSERT INTO "counters" VALUES('settled',60210);
INSERT INTO "counters" VALUES('settlements',6);
CREATE TABLE hashrate_snapshots (
    worker_id   TEXT    NOT NULL,
    taken_at    INTEGER NOT NULL,
    hashrate    REAL    NOT NULL,
    active_gpus INTEGER NOT NULL,
    PRIMARY KEY (worker_id, taken_at)
) STRICT, WITHOUT ROWID;
CREATE TABLE idempotency (
    caller         TEXT    NOT NULL,
    key            TEXT    NOT NULL,
    request_digest BLOB    NOT NULL,
    status         INTEGER NOT NULL,
    answer         TEXT    NOT NULL,
    created_at     INTEGER NOT NULL,
    PRIMARY KEY (caller, key)
) STRICT, WITHOUT ROWID;
INSERT INTO "idempotency" VALUES('renata','first',X'9F448383333F366AF283B7FDEEE2FB0FB93B1102B980D17B55C98D590D4059DC',200,'{"account_id":"renata","balance":400012.345678}',1795265475001145);
CREATE TABLE leases (
    lease_seq         INTEGER PRIMARY KEY,
    lease_id          TEXT    NOT NULL UNIQUE,
    worker_id         TEXT    NOT NULL REFERENCES workers (worker_id),
    consumer_id       TEXT    NOT NULL REFERENCES accounts (account_id),
    consumer_address  TEXT    NOT NULL,
    prefix            TEXT    NOT NULL UNIQUE,
    price_per_min     INTEGER NOT NULL CHECK (price_per_min >= 0),
    duration_sec      INTEGER NOT NULL CHECK (duration_sec >= 1),
    -- What the renter's account holds for it while it is active.
    hold              INTEGER NOT NULL CHECK (hold >= 0),
    state             TEXT    NOT NULL CHECK (state = 'active' OR state = 'completed' OR state = 'cancelled'),
    created_at        INTEGER NOT NULL,
    -- created_at + duration: when the watchdog ends it.
    ends_at           INTEGER NOT NULL,
    ended_at          INTEGER,
    -- Microseconds without the worker, closed stretches; the open one began at interrupted_since.
    interrupted       INTEGER NOT NULL DEFAULT 0 CHECK (interrupted >= 0),
    interrupted_since INTEGER,
    -- When the worker last came back: time up to here is in `interrupted`, once.
    back_since        INTEGER NOT NULL DEFAULT 0,
    blocks_found      INTEGER NOT NULL DEFAULT 0,
    hashrate_sum      REAL    NOT NULL DEFAULT 0,
    hashrate_samples  INTEGER NOT NULL DEFAULT 0,
    settled           INTEGER NOT NULL DEFAULT 0 CHECK (settled IN (0, 1)),
    CHECK ((state = 'active') = (ended_at IS NULL)),
    CHECK (state = 'active' OR (hold = 0 AND interrupted_since IS NULL))
) STRICT;
INSERT INTO "leases" VALUES(1,'lease-92b97962-f876-4adc-acf3-f2e36dd8db0f','sim-worker-001','renata','0x1111111111222222222233333333334444444444','9442623cee8f99b1',600000,600,0,'completed',1795265475100915,1795266075100915,1795265477310860,0,NULL,1795265475100915,2,0.0,0,1);
INSERT INTO "leases" VALUES(2,'lease-0713357f-4795-402f-b891-82757341c0e0','sim-worker-001','sim-worker-001','0x2222222222222222222222222222222222222222','7cbcead82bcb62ec',600000,600,0,'completed',1795265477318304,1795266077318304,1795265478027148,0,NULL,1795265477318304,1,0.0,0,1);
INSERT INTO "leases" VALUES(3,'lease-ef24fb66-e2de-4ac3-9818-81eb0a1c8a16','sim-worker-002','twin','0x3a265dbea0f1d27ede141ddadde1936a64da3b9a','86a5bf41867bd3a7',600000,600,0,'completed',1795265478038305,1795266078038305,1795265479028596,0,NULL,1795265478038305,1,0.0,0,1);
INSERT INTO "leases" VALUES(4,'lease-4dbc6ff9-cd42-4f31-83df-e250246a57f2','sim-worker-002','renata','0x3a265dbea0f1d27ede141ddadde1936a64da3b9a','990817c8d1704b98',600000,600,0,'completed',1795265479032750,1795266079032750,1795265479739025,0,NULL,1795265479032750,1,0.0,0,1);
INSERT INTO "leases" VALUES(5,'lease-39b5509b-751d-40a2-a3b5-6c35472c1b57','sim-worker-002','renata','0x1111111111222222222233333333334444444444','59640a9e2cf57140',600000,600,0,'completed',1795265479749178,1795266079749178,1795265480452118,0,NULL,1795265479749178,2,0.0,0,1);
INSERT INTO "leases" VALUES(6,'lease-26e802ce-2ec8-4bbd-9bea-97956f901a03','fleet-worker-001','wallet-0x4a623166','0x4a62316623ad457F02cDC5D997deD67a383EC569','644755e3b0adfbe2',600000,600,0,'completed',1795265480468839,1795266080468839,1795265481171663,0,NULL,1795265480468839,0,0.0,0,1);
INSERT INTO "leases" VALUES(7,'lease-8a8c7a80-45e2-4d45-8cf2-b06cf9909376','sim-worker-003','renata','0x1111111111222222222233333333334444444444','9165680b6d2ba72f',123456,31622400,65066250240,'active',1795265481182210,1826887881182210,NULL,0,NULL,1795265481182210,8,1613.74,1,0);
INSERT INTO "leases" VALUES(8,'lease-1fbf86ec-57a9-4e57-82dc-94a6e5c1574d','sim-worker-004','renata','0x1111111111222222222233333333334444444444','416e242d7776e80d',600000,300,3000000,'active',1795265482210341,1795265782210341,NULL,0,NULL,1795265482210341,4,1190.81,1,0);
INSERT INTO "leases" VALUES(9,'lease-9020808b-18ca-4db4-8005-2eb11578aa33','sim-worker-002','twin','0x3a265dbea0f1d27ede141ddadde1936a64da3b9a','8e8046a2c407657a',600000,400,4000000,'active',1795265482917238,1795265882917238,NULL,0,NULL,1795265482917238,3,850.67,1,0);
CREATE TABLE schema_version (
    version INTEGER NOT NULL PRIMARY KEY
) STRICT;
INSERT INTO "schema_version" VALUES(1);
INSERT INTO "schema_version" VALUES(2);
INSERT INTO "schema_version" VALUES(3);
INSERT INTO "schema_version" VALUES(4);
INSERT INTO "schema_version" VALUES(5);
CREATE TABLE settlements (
    settlement_id    INTEGER PRIMARY KEY,
    -- A lease is settled exactly once.
    lease_id         TEXT    NOT NULL UNIQUE REFERENCES leases (lease_id),
    consumer_id      TEXT    NOT NULL,
    worker_id        TEXT    NOT NULL,
    -- The account that was paid: the owner's wallet, or the worker's own.
    provider_id      TEXT    NOT NULL,
    -- Microseconds that were billed: elapsed less interrupted.
    billed           INTEGER NOT NULL CHECK (billed >= 0),
    blocks_found     INTEGER NOT NULL,
    total_cost       INTEGER NOT NULL,
    provider_payment INTEGER NOT NULL,
    platform_fee     INTEGER NOT NULL,
    settled_at       INTEGER NOT NULL,
    CHECK (total_cost = provider_payment + platform_fee)
) STRICT;
INSERT INTO "settlements" VALUES(1,'lease-92b97962-f876-4adc-acf3-f2e36dd8db0f','renata','sim-worker-001','sim-worker-001',2209945,2,22099,20995,1104,1795265477310860);
INSERT INTO "settlements" VALUES(2,'lease-0713357f-4795-402f-b891-82757341c0e0','sim-worker-001','sim-worker-001','sim-worker-001',708844,1,7088,6734,354,1795265478027148);
INSERT INTO "settlements" VALUES(3,'lease-ef24fb66-e2de-4ac3-9818-81eb0a1c8a16','twin','sim-worker-002','sim-worker-002',990291,1,9903,9408,495,1795265479028596);
INSERT INTO "settlements" VALUES(4,'lease-4dbc6ff9-cd42-4f31-83df-e250246a57f2','renata','sim-worker-002','sim-worker-002',706275,1,7063,6710,353,1795265479739025);
INSERT INTO "settlements" VALUES(5,'lease-39b5509b-751d-40a2-a3b5-6c35472c1b57','renata','sim-worker-002','sim-worker-002',702940,2,7029,6678,351,1795265480452118);
INSERT INTO "settlements" VALUES(6,'lease-26e802ce-2ec8-4bbd-9bea-97956f901a03','wallet-0x4a623166','fleet-worker-001','wallet-0x4a623166',702824,0,7028,6677,351,1795265481171663);
CREATE TABLE transactions (
    transaction_id INTEGER PRIMARY KEY,
    movement       INTEGER NOT NULL,
    account_id     TEXT    NOT NULL REFERENCES accounts (account_id),
    type           TEXT    NOT NULL CHECK (type = 'deposit' OR type = 'withdraw' OR type = 'lease_charge' OR type = 'provider_payout'
                                           OR type = 'platform_fee' OR type = 'transfer_out' OR type = 'transfer_in'
                                           OR type = 'opening'),
    amount         INTEGER NOT NULL,
    balance_after  INTEGER NOT NULL,
    lease_id       TEXT,
    note           TEXT,
    created_at     INTEGER NOT NULL
) STRICT;
INSERT INTO "transactions" VALUES(1,1,'consumer-1','deposit',1000000000,1000000000,NULL,'opening balance',1795265473442466);
INSERT INTO "transactions" VALUES(2,1,'_outside','deposit',-1000000000,-1000000000,NULL,'opening balance',1795265473442466);
INSERT INTO "transactions" VALUES(3,3,'consumer-2','deposit',500000000,500000000,NULL,'opening balance',1795265473442466);
INSERT INTO "transactions" VALUES(4,3,'_outside','deposit',-500000000,-1500000000,NULL,'opening balance',1795265473442466);
INSERT INTO "transactions" VALUES(5,5,'renata','deposit',400000000000,400000000000,NULL,'opening balance',1795265474967441);
INSERT INTO "transactions" VALUES(6,5,'_outside','deposit',-400000000000,-401500000000,NULL,'opening balance',1795265474967441);
INSERT INTO "transactions" VALUES(7,7,'twin','deposit',50000000,50000000,NULL,'opening balance',1795265474971135);
INSERT INTO "transactions" VALUES(8,7,'_outside','deposit',-50000000,-401550000000,NULL,'opening balance',1795265474971135);
INSERT INTO "transactions" VALUES(9,9,'renata','deposit',12345678,400012345678,NULL,NULL,1795265475001145);
INSERT INTO "transactions" VALUES(10,9,'_outside','deposit',-12345678,-401562345678,NULL,NULL,1795265475001145);
INSERT INTO "transactions" VALUES(11,11,'renata','withdraw',-2500000,400009845678,NULL,'0x1111111111222222222233333333334444444444',1795265475013040);
INSERT INTO "transactions" VALUES(12,11,'_outside','withdraw',2500000,-401559845678,NULL,'0x1111111111222222222233333333334444444444',1795265475013040);
INSERT INTO "transactions" VALUES(13,13,'wallet-0x4a623166','deposit',20000000,20000000,NULL,NULL,1795265475015108);
INSERT INTO "transactions" VALUES(14,13,'_outside','deposit',-20000000,-401579845678,NULL,NULL,1795265475015108);
INSERT INTO "transactions" VALUES(15,15,'sim-worker-001','deposit',20000000,20000000,NULL,NULL,1795265475016375);
INSERT INTO "transactions" VALUES(16,15,'_outside','deposit',-20000000,-401599845678,NULL,NULL,1795265475016375);
INSERT INTO "transactions" VALUES(17,17,'renata','lease_charge',-22099,400009823579,'lease-92b97962-f876-4adc-acf3-f2e36dd8db0f',NULL,1795265477310860);
INSERT INTO "transactions" VALUES(18,17,'sim-worker-001','provider_payout',20995,20020995,'lease-92b97962-f876-4adc-acf3-f2e36dd8db0f',NULL,1795265477310860);
INSERT INTO "transactions" VALUES(19,17,'platform-treasury','platform_fee',1104,1104,'lease-92b97962-f876-4adc-acf3-f2e36dd8db0f',NULL,1795265477310860);
INSERT INTO "transactions" VALUES(20,20,'sim-worker-001','lease_charge',-7088,20013907,'lease-0713357f-4795-402f-b891-82757341c0e0',NULL,1795265478027148);
INSERT INTO "transactions" VALUES(21,20,'sim-worker-001','provider_payout',6734,20020641,'lease-0713357f-4795-402f-b891-82757341c0e0',NULL,1795265478027148);
INSERT INTO "transactions" VALUES(22,20,'platform-treasury','platform_fee',354,1458,'lease-0713357f-4795-402f-b891-82757341c0e0',NULL,1795265478027148);
INSERT INTO "transactions" VALUES(23,23,'twin','lease_charge',-9903,49990097,'lease-ef24fb66-e2de-4ac3-9818-81eb0a1c8a16',NULL,1795265479028596);
INSERT INTO "transactions" VALUES(24,23,'sim-worker-002','provider_payout',9408,9408,'lease-ef24fb66-e2de-4ac3-9818-81eb0a1c8a16',NULL,1795265479028596);
INSERT INTO "transactions" VALUES(25,23,'platform-treasury','platform_fee',495,1953,'lease-ef24fb66-e2de-4ac3-9818-81eb0a1c8a16',NULL,1795265479028596);
INSERT INTO "transactions" VALUES(26,26,'renata','lease_charge',-7063,400009816516,'lease-4dbc6ff9-cd42-4f31-83df-e250246a57f2',NULL,1795265479739025);
INSERT INTO "transactions" VALUES(27,26,'sim-worker-002','provider_payout',6710,16118,'lease-4dbc6ff9-cd42-4f31-83df-e250246a57f2',NULL,1795265479739025);
INSERT INTO "transactions" VALUES(28,26,'platform-treasury','platform_fee',353,2306,'lease-4dbc6ff9-cd42-4f31-83df-e250246a57f2',NULL,1795265479739025);
INSERT INTO "transactions" VALUES(29,29,'renata','lease_charge',-7029,400009809487,'lease-39b5509b-751d-40a2-a3b5-6c35472c1b57',NULL,1795265480452118);
INSERT INTO "transactions" VALUES(30,29,'sim-worker-002','provider_payout',6678,22796,'lease-39b5509b-751d-40a2-a3b5-6c35472c1b57',NULL,1795265480452118);
INSERT INTO "transactions" VALUES(31,29,'platform-treasury','platform_fee',351,2657,'lease-39b5509b-751d-40a2-a3b5-6c35472c1b57',NULL,1795265480452118);
INSERT INTO "transactions" VALUES(32,32,'wallet-0x4a623166','lease_charge',-7028,19992972,'lease-26e802ce-2ec8-4bbd-9bea-97956f901a03',NULL,1795265481171663);
INSERT INTO "transactions" VALUES(33,32,'wallet-0x4a623166','provider_payout',6677,19999649,'lease-26e802ce-2ec8-4bbd-9bea-97956f901a03',NULL,1795265481171663);
INSERT INTO "transactions" VALUES(34,32,'platform-treasury','platform_fee',351,3008,'lease-26e802ce-2ec8-4bbd-9bea-97956f901a03',NULL,1795265481171663);
CREATE TABLE wallet_snapshots (
    address           TEXT    NOT NULL COLLATE NOCASE,
    -- 'hour' rows are kept 7 days, 'day' rows 90.
    resolution        TEXT    NOT NULL CHECK (resolution IN ('hour', 'day')),
    -- The beginning of the hour or day.
    period_start      INTEGER NOT NULL,
    -- The mean of the period, and its highest moment.
    hashrate          REAL    NOT NULL,
    peak_hashrate     REAL    NOT NULL,
    online_workers    INTEGER NOT NULL,
    total_workers     INTEGER NOT NULL,
    -- Blocks and earnings of the period itself.
    blocks            INTEGER NOT NULL,
    cumulative_blocks INTEGER NOT NULL,
    earnings          INTEGER NOT NULL,
    PRIMARY KEY (address, resolution, period_start)
) STRICT, WITHOUT ROWID;
CREATE TABLE worker_tokens (
    token_id   INTEGER PRIMARY KEY,
    worker_id  TEXT    NOT NULL,
    digest     BLOB    NOT NULL UNIQUE,
    -- The account that issued it.
    issued_by  TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    revoked_at INTEGER
) STRICT;
INSERT INTO "worker_tokens" VALUES(1,'sim-worker-003',X'A2AB3BA4B8A4BF93E72948A70C2B8B33F5982E0CF4357DD201E8BF4DC5DB96EE','_admin',1795265475069396,NULL);
CREATE TABLE workers (
    worker_seq       INTEGER PRIMARY KEY,
    worker_id        TEXT    NOT NULL UNIQUE,
    -- Names the owner: the wallet that signs for it owns the worker and its earnings.
    eth_address      TEXT    NOT NULL DEFAULT '' COLLATE NOCASE,
    gpu_count        INTEGER NOT NULL CHECK (gpu_count >= 0),
    total_memory_gb  REAL    NOT NULL,
    gpus             TEXT    NOT NULL,
    -- The GPUs' names in upper case, to search in.
    gpu_names        TEXT    NOT NULL,
    version          TEXT    NOT NULL,
    state            TEXT    NOT NULL CHECK (state = 'IDLE' OR state = 'AVAILABLE' OR state = 'LEASED' OR state = 'MINING'
                                             OR state = 'COMPLETED' OR state = 'ERROR' OR state = 'SELF_MINING'
                                             OR state = 'offline'),
    -- For rent by its owner's will; an unlisted worker's state reads SELF_MINING.
    listed           INTEGER NOT NULL DEFAULT 1 CHECK (listed IN (0, 1)),
    price_per_min    INTEGER NOT NULL CHECK (price_per_min >= 0),
    -- NULL: the provider has set no limit, and the defaults only advise.
    min_duration_sec INTEGER CHECK (min_duration_sec >= 1),
    max_duration_sec INTEGER CHECK (max_duration_sec >= min_duration_sec),
    registered_at    INTEGER NOT NULL,
    -- What heartbeats said, written in batches.
    hashrate         REAL    NOT NULL DEFAULT 0,
    active_gpus      INTEGER NOT NULL DEFAULT 0,
    last_heartbeat   INTEGER NOT NULL,
    total_online     INTEGER NOT NULL DEFAULT 0,
    -- Counts behind the reputation, kept beside the rows they count.
    self_blocks_found INTEGER NOT NULL DEFAULT 0,
    verified_blocks   INTEGER NOT NULL DEFAULT 0,
    leases_total      INTEGER NOT NULL DEFAULT 0,
    leases_completed  INTEGER NOT NULL DEFAULT 0
) STRICT;
INSERT INTO "workers" VALUES(1,'sim-worker-001','0x00ddb36af262b35a4dfdeba4065df1928647d2f6',1,24.0,'[{"index":0,"name":"RTX 4090","memory_gb":24,"bus_id":1}]','RTX 4090','2.0.0','AVAILABLE',1,600000,NULL,NULL,1795265473681938,1576.19,1,1795265483754998,10073060,0,3,2,2);
INSERT INTO "workers" VALUES(2,'sim-worker-002','0x3a265dbea0f1d27ede141ddadde1936a64da3b9a',1,24.0,'[{"index":0,"name":"RTX 4090","memory_gb":24,"bus_id":1}]','RTX 4090','2.0.0','MINING',1,600000,NULL,NULL,1795265473707080,850.67,1,1795265483758238,10051158,0,7,4,3);
INSERT INTO "workers" VALUES(3,'sim-worker-004','0x719d71e4a3d7c15fcfff3699c58b9d0c6e17786d',1,24.0,'[{"index":0,"name":"RTX 4090","memory_gb":24,"bus_id":1}]','RTX 4090','2.0.0','MINING',1,600000,NULL,NULL,1795265473727689,1190.81,1,1795265483854577,10126888,0,4,1,0);
INSERT INTO "workers" VALUES(4,'sim-worker-003','0x922872221e1847cd6894845a9a0eef0b41e8f0a8',1,24.0,'[{"index":0,"name":"RTX 4090","memory_gb":24,"bus_id":1}]','RTX 4090','2.0.0','MINING',1,123456,1,31622400,1795265473733754,1613.74,1,1795265483854256,10120502,0,8,1,0);
INSERT INTO "workers" VALUES(5,'fleet-worker-001','0x4a62316623ad457F02cDC5D997deD67a383EC569',1,12.0,'[{"index":0,"name":"NVIDIA GeForce RTX 4070","memory_gb":12,"bus_id":1}]','NVIDIA GEFORCE RTX 4070','2.0.0','AVAILABLE',1,600000,NULL,NULL,1795265474904791,94.35,1,1795265474908101,3310,0,0,1,1);
CREATE UNIQUE INDEX accounts_one_per_wallet ON accounts (eth_address) WHERE origin = 'wallet';
CREATE INDEX accounts_by_address ON accounts (eth_address) WHERE eth_address <> '';
CREATE INDEX transactions_by_account ON transactions (account_id, transaction_id);
CREATE INDEX transactions_by_lease ON transactions (lease_id) WHERE lease_id IS NOT NULL;
CREATE INDEX idempotency_by_age ON idempotency (created_at);
CREATE INDEX workers_for_rent ON workers (worker_seq) WHERE state = 'AVAILABLE' AND listed = 1;
CREATE INDEX workers_by_price ON workers (price_per_min, worker_seq);
CREATE INDEX workers_by_hashrate ON workers (hashrate, worker_seq);
CREATE INDEX workers_by_address ON workers (eth_address);
CREATE INDEX workers_by_heartbeat ON workers (last_heartbeat);
CREATE UNIQUE INDEX leases_one_active_per_worker ON leases (worker_id) WHERE state = 'active';
CREATE INDEX leases_by_end ON leases (ends_at) WHERE state = 'active';
CREATE INDEX leases_unsettled ON leases (lease_seq) WHERE settled = 0 AND state <> 'active';
CREATE INDEX leases_by_worker ON leases (worker_id, lease_seq);
CREATE INDEX leases_by_consumer ON leases (consumer_id, state, lease_seq);
CREATE INDEX leases_by_state ON leases (state, lease_seq);
CREATE INDEX settlements_by_worker ON settlements (worker_id, settlement_id, provider_payment);
CREATE INDEX settlements_by_consumer ON settlements (consumer_id, settlement_id, total_cost);
CREATE INDEX blocks_by_lease ON blocks (lease_id, block_seq);
CREATE INDEX blocks_by_worker ON blocks (worker_id, block_seq);
CREATE INDEX blocks_self_mined ON blocks (worker_id, lease_id) WHERE lease_id IS NULL;
CREATE INDEX blocks_by_time ON blocks (created_at);
CREATE INDEX blocks_pending ON blocks (block_seq) WHERE pending = 1;
CREATE INDEX chain_blocks_account ON chain_blocks (account, block_id);
CREATE INDEX api_keys_by_account ON api_keys (account_id);
CREATE INDEX worker_tokens_by_worker ON worker_tokens (worker_id);
CREATE INDEX hashrate_snapshots_by_time ON hashrate_snapshots (taken_at, hashrate, active_gpus);
CREATE INDEX wallet_snapshots_by_time ON wallet_snapshots (resolution, period_start);
COMMIT;
PRAGMA application_id = 1480937026;
PRAGMA user_version = 5;
