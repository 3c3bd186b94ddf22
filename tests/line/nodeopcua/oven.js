// An oven served by node-opcua. Its argument is JSON:
//   folder       where it keeps certificates; users whose certificates lie in users/trusted/certs may log in
//   port         0: any free one
//   certificate, key   files of its own; without them it makes a pair
//   usersOnly    nobody is let in without a name or a certificate
//   before       namespaces that come before the oven's
//   polled       it takes no subscription
//   keysLiveMs   how long a secure channel's keys live at most (2500 at least)
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

const wanted = JSON.parse(process.argv[2]);

function freePort() {
  return new Promise((resolve) => {
    const probe = createServer().listen(0, "127.0.0.1", () => {
      const { port } = probe.address();
      probe.close(() => resolve(port));
    });
  });
}

async function certificates(name, rules) {
  const made = new OPCUACertificateManager({ rootFolder: path.join(wanted.folder, name), ...rules });
  await made.initialize();
  return made;
}

async function main() {
  const port = wanted.port || (await freePort());
  const clients = await certificates("pki", { automaticallyAcceptUnknownCertificate: true });
  const users = await certificates("users", { automaticallyAcceptUnknownCertificate: false });
  const server = new OPCUAServer({
    port,
    host: "127.0.0.1",
    hostname: "127.0.0.1",
    serverCertificateManager: clients,
    userCertificateManager: users,
    ...(wanted.certificate && { certificateFile: wanted.certificate, privateKeyFile: wanted.key }),
    ...(wanted.keysLiveMs && { defaultSecureTokenLifetime: wanted.keysLiveMs }),
    securityModes: [MessageSecurityMode.None, MessageSecurityMode.Sign, MessageSecurityMode.SignAndEncrypt],
    securityPolicies: [
      SecurityPolicy.None,
      SecurityPolicy.Basic256Sha256,
      SecurityPolicy.Aes256_Sha256_RsaPss,
    ],
    allowAnonymous: !wanted.usersOnly,
    userManager: { isValidUser: (user, password) => user === "lineside" && password === "oven-180" },
  });
  await server.initialize();
  if (wanted.polled) server.engine.serverCapabilities.maxSubscriptions = 0;
  const space = server.engine.addressSpace;
  for (const uri of wanted.before || []) space.registerNamespace(uri);
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
