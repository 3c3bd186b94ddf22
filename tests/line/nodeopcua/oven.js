// An oven served by node-opcua. Arguments: the folder for its certificates, and a port (0: any free one).
// Tells its port as a line of JSON; takes lines of "<name> <number>" and sets that value.
const path = require("path");
const readline = require("readline");
const { createServer } = require("net");
const {
  DataType,
  MessageSecurityMode,
  OPCUACertificateManager,
  OPCUAServer,
  SecurityPolicy,
} = require("node-opcua");

const [folder, wanted] = process.argv.slice(2);

function freePort() {
  return new Promise((resolve) => {
    const probe = createServer().listen(0, "127.0.0.1", () => {
      const { port } = probe.address();
      probe.close(() => resolve(port));
    });
  });
}

async function main() {
  const port = Number(wanted) || (await freePort());
  const certificates = new OPCUACertificateManager({
    rootFolder: path.join(folder, "pki"),
    automaticallyAcceptUnknownCertificate: true,
  });
  await certificates.initialize();
  const server = new OPCUAServer({
    port,
    host: "127.0.0.1",
    hostname: "127.0.0.1",
    serverCertificateManager: certificates,
    userCertificateManager: certificates,
    securityModes: [MessageSecurityMode.None, MessageSecurityMode.Sign, MessageSecurityMode.SignAndEncrypt],
    securityPolicies: [
      SecurityPolicy.None,
      SecurityPolicy.Basic256Sha256,
      SecurityPolicy.Aes256_Sha256_RsaPss,
    ],
    allowAnonymous: true,
    userManager: { isValidUser: (user, password) => user === "lineside" && password === "oven-180" },
  });
  await server.initialize();
  const space = server.engine.addressSpace;
  const own = space.registerNamespace("urn:lineside:test:oven");
  const oven = own.addObject({ organizedBy: space.rootFolder.objects, browseName: "Oven" });
  const values = {};
  for (const [name, dataType, value] of [
    ["Batches", DataType.UInt32, 0],
    ["Temperature", DataType.Double, 180.5],
  ]) {
    values[name] = own.addVariable({
      componentOf: oven,
      browseName: name,
      nodeId: `s=Oven.${name}`,
      dataType,
      minimumSamplingInterval: 0,
    });
    values[name].setValueFromSource({ dataType, value });
  }
  readline.createInterface({ input: process.stdin }).on("line", (line) => {
    const [name, number] = line.split(" ");
    const dataType = name === "Batches" ? DataType.UInt32 : DataType.Double;
    values[name].setValueFromSource({ dataType, value: Number(number) });
  });
  await server.start();
  process.stdin.on("end", () => process.exit(0));
  console.log(JSON.stringify({ port }));
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
