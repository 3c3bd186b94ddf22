// A Modbus TCP server on a port of the system's choice, or the one given; it prints the port.
// Registers: holding n is n * 7 + 1, holding 500 is text, input 20 a float; coils 0 and 3 are on, discrete input 9 is.
"use strict";
const path = require("path");
const net = require("net");
const modbus = require(path.join(process.argv[2], "node_modules", "jsmodbus"));

const holding = Buffer.alloc(2000);
const input = Buffer.alloc(200);
for (let n = 0; n < 500; n++) holding.writeUInt16BE(n * 7 + 1, n * 2);
holding.write("PRESS-7", 1000, "ascii");
input.writeFloatBE(1.5, 40);
const coils = Buffer.from([0b00001001, 0]);
const discrete = Buffer.from([0, 0b00000010]);

const server = new net.Server();
new modbus.server.TCP(server, { holding, input, coils, discrete });
server.listen(Number(process.argv[3]), "127.0.0.1", () => console.log(server.address().port));
