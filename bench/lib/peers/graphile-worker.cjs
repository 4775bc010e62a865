// A graphile-worker with two tasks, until it is terminated.  Its settings are
// those of its own documentation's chapter on performance.
const { run } = require("graphile-worker");
const { Pool } = require("pg");

const pool = new Pool({ max: 25 });

run({
  pgPool: pool,
  preset: {
    worker: {
      concurrentJobs: 24,
      maxPoolSize: 25,
      localQueue: { size: 500 },
      completeJobBatchDelay: 0,
      failJobBatchDelay: 0,
      pollInterval: 2000,
    },
  },
  logger: new (require("@graphile/logger").Logger)(() => () => {}),
  taskList: {
    empty: (payload, helpers) => helpers.query("SELECT 1"),
    stamp: (payload, helpers) =>
      helpers.query("INSERT INTO seen VALUES ($1, clock_timestamp())", [payload.id]),
  },
}).then((runner) => {
  console.log("ready");
  return runner.promise;
});
