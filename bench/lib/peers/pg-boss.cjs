// A pg-boss with two queues, until it is terminated: it looks for jobs as often
// as it allows, and takes as many at once as there may be.
const { Pool } = require("pg");
const PgBoss = require("pg-boss");

const pool = new Pool({ max: 10 });
const boss = new PgBoss({ db: { executeSql: (text, values) => pool.query(text, values) }, schedule: false });
boss.on("error", console.error);

async function main() {
  await boss.start();
  await boss.createQueue("empty");
  await boss.createQueue("stamp");
  const options = { pollingIntervalSeconds: 0.5, batchSize: 1000 };
  await boss.work("empty", options, (jobs) => Promise.all(jobs.map(() => pool.query("SELECT 1"))));
  await boss.work("stamp", options, (jobs) =>
    Promise.all(jobs.map((job) => pool.query("INSERT INTO seen VALUES ($1, clock_timestamp())", [job.data.id]))));
  console.log("ready");
}

main();
