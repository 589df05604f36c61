/**
 * What Python clients are made to do: each is called with the endpoint and two directories, makes the bucket `stock`, uploads the
 * first directory, lists the bucket and downloads it into the second. Called again it only lists and downloads.
 */

/** What all begin with: where things are, and how one file follows the other. */
const BEGINNING = `
import os, sys
endpoint, source, target = sys.argv[1:4]
def files():
    for root, _, names in os.walk(source):
        for name in names:
            path = os.path.join(root, name)
            yield path, os.path.relpath(path, source)
def place(key):
    path = os.path.join(target, key)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    return path
uploading = len(sys.argv) > 4
`;

/** Iceberg, Delta and PyTorch readers stand on it. */
export const PYARROW_PROGRAM = `${BEGINNING}
from pyarrow import fs
store = fs.S3FileSystem(endpoint_override=endpoint, region="us-east-1", allow_bucket_creation=True)
if uploading:
    store.create_dir("stock")
    for path, key in files():
        with open(path, "rb") as content, store.open_output_stream("stock/" + key) as out:
            while block := content.read(1 << 20):
                out.write(block)
for entry in store.get_file_info(fs.FileSelector("stock", recursive=True)):
    if entry.type != fs.FileType.File: continue
    key = entry.path[len("stock/"):]
    print(key)
    with store.open_input_file(entry.path) as content, open(place(key), "wb") as out:
        assert content.size() == entry.size
        out.write(content.read())
`;

/** pandas, dask and fsspec stand on it. */
export const S3FS_PROGRAM = `${BEGINNING}
import s3fs
store = s3fs.S3FileSystem(endpoint_url=endpoint, default_block_size=5 << 20)
if uploading:
    store.mkdir("stock")
    for path, key in files():
        with open(path, "rb") as content, store.open("stock/" + key, "wb") as out:
            out.write(content.read())
for entry in store.find("stock"):
    key = entry[len("stock/"):]
    print(key)
    with store.open(entry, "rb") as content, open(place(key), "wb") as out:
        out.write(content.read())
`;

export const MINIO_PROGRAM = `${BEGINNING}
from minio import Minio
store = Minio(endpoint.replace("http://", ""), access_key="any", secret_key="any-secret", secure=False)
if uploading:
    store.make_bucket("stock")
    for path, key in files():
        store.fput_object("stock", key, path)
for entry in store.list_objects("stock", recursive=True):
    print(entry.object_name)
    store.fget_object("stock", entry.object_name, place(entry.object_name))
`;

/** Writes a table of many files and reads it back: with the argument \`write\`, and without. */
export const DUCKDB_PROGRAM = `
import glob, os, sys, duckdb, duckdb_ext
endpoint = sys.argv[1].replace("http://", "")
base = list(duckdb_ext.__path__)[0]
extension = glob.glob(os.path.join(base, "extensions", "*", "*", "httpfs.duckdb_extension"))[0]
db = duckdb.connect()
db.execute(f"LOAD '{extension}'")
db.execute(f"CREATE SECRET (TYPE s3, KEY_ID 'any', SECRET 'any-secret', REGION 'us-east-1', ENDPOINT '{endpoint}', URL_STYLE 'path', USE_SSL false)")
if len(sys.argv) > 2:
    db.execute("COPY (SELECT i, i % 7 AS k, repeat(md5(i::VARCHAR), 4) AS v FROM range(200000) t(i)) TO 's3://stock/table' (FORMAT parquet, PARTITION_BY (k))")
    db.execute("COPY (SELECT i FROM range(10) t(i)) TO 's3://stock/one.csv' (FORMAT csv, HEADER)")
print(db.execute("SELECT count(*), sum(i), count(DISTINCT k) FROM read_parquet('s3://stock/table/**/*.parquet', hive_partitioning=true)").fetchone())
print(db.execute("SELECT count(*) FROM read_parquet('s3://stock/table/**/*.parquet', hive_partitioning=true) WHERE k = 3").fetchone())
print(db.execute("SELECT sum(i) FROM read_csv('s3://stock/one.csv')").fetchone())
`;
