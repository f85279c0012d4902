// Drives the sandbox with jsforce as it is; prints what it saw as one line of JSON.
// Arguments: module folder, base URL, username, password + security token.
import { createRequire } from "node:module";

const [folder, loginUrl, username, password] = process.argv.slice(2);
const require = createRequire(`${folder}/`);
const jsforce = require("jsforce");

const connection = new jsforce.Connection({ loginUrl, version: "64.0" });
const user = await connection.login(username, password);
const seen = { userId: user.id, organizationId: user.organizationId };
seen.identity = (await connection.identity()).username;

// Rows one by one; the key is sent as it is, with a blank in it.
const account = await connection.sobject("Account").create({ Name: "Nörd & Söhne 🚀", NumberOfEmployees: 12 });
await connection.sobject("Account").update({ Id: account.id, Site: "Kiel" });
seen.retrieved = await connection.sobject("Account").retrieve(account.id);
const keyed = { ERP_Id__c: "C 17", Name: "Keyed" };
seen.inserted = await connection.sobject("Account").upsert(keyed, "ERP_Id__c");
seen.updated = await connection.sobject("Account").upsert({ ...keyed, Site: "Bonn" }, "ERP_Id__c");
seen.error = await connection.sobject("Account").create({ Site: "nameless" }).catch((error) => error.errorCode);
seen.describedFields = (await connection.sobject("Opportunity").describe()).fields.map((field) => field.name);

// Collections: 250 rows go in two calls.
const names = Array.from({ length: 250 }, (_, index) => ({ Name: `Row ${String(index).padStart(3, "0")}`, Site: "many" }));
const many = await connection.sobject("Account").create(names, { allowRecursive: true });
seen.manyCreated = many.filter((result) => result.success).length;
const changes = many.map(({ id }) => ({ Id: id, Phone: "1" }));
const changed = await connection.sobject("Account").update(changes, { allowRecursive: true });
seen.manyUpdated = changed.filter((result) => result.success).length;

// Queries: pages are fetched on the way.
const paged = await connection.query("SELECT Id, Name FROM Account WHERE Site = 'MANY' ORDER BY Name", {
  autoFetch: true,
  maxFetch: 1000,
  headers: { "Sforce-Query-Options": "batchSize=200" },
});
seen.paged = { total: paged.totalSize, fetched: paged.records.length, last: paged.records.at(-1).Name };
seen.found = await connection.sobject("Account").find({ Name: "Keyed" }, ["Id", "Site"]);
seen.count = await connection.sobject("Account").count({ Site: "many" });

// Bulk API 2.0.
connection.bulk2.pollInterval = 200;
connection.bulk2.pollTimeout = 30000;
const input = [
  { ERP_Id__c: "C 17", Name: 'Comma, "quotes"\nand lines' },
  { ERP_Id__c: "C 18", Name: "New by bulk" },
];
const loaded = await connection.bulk2.loadAndWaitForResults({
  object: "Account",
  operation: "upsert",
  externalIdFieldName: "ERP_Id__c",
  input,
});
seen.loaded = loaded.successfulResults.map((row) => [row.ERP_Id__c, row.sf__Created, row.Name]).sort();
seen.failed = loaded.failedResults.length;
const stream = await connection.bulk2.query("SELECT ERP_Id__c, Name FROM Account WHERE ERP_Id__c LIKE 'C %'");
seen.queried = (await stream.toArray()).map((row) => [row.ERP_Id__c, row.Name]).sort();

await connection.sobject("Account").destroy(account.id);
const gone = `SELECT IsDeleted FROM Account WHERE Id = '${account.id}'`;
seen.afterDelete = (await connection.query(gone)).totalSize;
seen.inRecycleBin = (await connection.query(gone, { scanAll: true })).records[0].IsDeleted;
seen.usage = connection.limitInfo.apiUsage;
await connection.logout();
console.log(JSON.stringify(seen));
