import java.io.File;
import java.io.IOException;
import java.net.HttpURLConnection;
import java.net.URI;
import java.net.URL;
import java.nio.file.Files;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FSDataInputStream;
import org.apache.hadoop.fs.FSDataOutputStream;
import org.apache.hadoop.fs.FileStatus;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.LocatedFileStatus;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.fs.RemoteIterator;

/**
 * Hadoop's S3A connector, on which Spark, Hive and Flink stand: uploads a directory to the bucket `stock` and renames and deletes
 * another one there, when it is called with one more argument; then lists the bucket and downloads it.
 *
 * Run from its source: java -cp CLASSPATH S3aClient.java ENDPOINT FROM TO [upload]
 */
public final class S3aClient {
  public static void main(String[] arguments) throws Exception {
    String endpoint = arguments[0];
    File from = new File(arguments[1]).getAbsoluteFile();
    File to = new File(arguments[2]).getAbsoluteFile();
    boolean uploading = arguments.length > 3;
    if (uploading) createBucket(endpoint);
    try (FileSystem store = FileSystem.newInstance(URI.create("s3a://stock/"), configuration(endpoint))) {
      if (uploading) {
        upload(store, from);
        renameAndDelete(store);
      }
      download(store, to);
    }
  }

  private static Configuration configuration(String endpoint) {
    Configuration configuration = new Configuration();
    configuration.set("fs.s3a.endpoint", endpoint);
    configuration.set("fs.s3a.endpoint.region", "us-east-1");
    configuration.set("fs.s3a.access.key", "any");
    configuration.set("fs.s3a.secret.key", "any");
    configuration.setBoolean("fs.s3a.path.style.access", true);
    configuration.setBoolean("fs.s3a.connection.ssl.enabled", false);
    // The smallest parts that S3 takes, so that the large file is a multipart upload.
    configuration.set("fs.s3a.multipart.size", "5M");
    configuration.set("fs.s3a.multipart.threshold", "5M");
    configuration.set("fs.s3a.fast.upload.buffer", "bytebuffer");
    return configuration;
  }

  /** S3A itself makes no buckets. */
  private static void createBucket(String endpoint) throws IOException {
    HttpURLConnection request = (HttpURLConnection) new URL(endpoint + "/stock").openConnection();
    request.setRequestMethod("PUT");
    expect(request.getResponseCode() == 200, "the bucket could not be made");
  }

  private static void upload(FileSystem store, File from) throws IOException {
    List<java.nio.file.Path> files;
    try (Stream<java.nio.file.Path> all = Files.walk(from.toPath())) {
      files = all.filter(Files::isRegularFile).collect(Collectors.toList());
    }
    for (java.nio.file.Path file : files) {
      String name = from.toPath().relativize(file).toString();
      // It takes local files by their whole URI alone.
      store.copyFromLocalFile(new Path("file://" + file), new Path("/" + name));
    }
  }

  /** A directory is renamed as a job's output is when it is committed: by copies and one delete of many. */
  private static void renameAndDelete(FileSystem store) throws IOException {
    Path work = new Path("/_temporary");
    Path result = new Path("/result");
    byte[] line = "part\n".getBytes("UTF-8");
    store.mkdirs(new Path(work, "empty"));
    for (int number = 0; number < 20; number++)
      try (FSDataOutputStream out = store.create(new Path(work, "task/part-" + number))) {
        out.write(line);
      }
    expect(store.rename(work, result), "the directory could not be renamed");
    expect(!store.exists(work), "the directory is still there under its old name");
    FileStatus[] parts = store.listStatus(new Path(result, "task"));
    expect(parts.length == 20, parts.length + " of 20 files came along");
    expect(store.getFileStatus(new Path(result, "empty")).isDirectory(), "an empty directory did not come along");
    try (FSDataInputStream in = store.open(parts[7].getPath())) {
      byte[] end = new byte[3];
      in.readFully(2, end);
      expect(Arrays.equals(end, Arrays.copyOfRange(line, 2, 5)), "a range has other bytes");
    }
    expect(store.delete(result, true), "the directory could not be deleted");
    expect(!store.exists(result), "the directory is still there");
  }

  private static void download(FileSystem store, File to) throws IOException {
    RemoteIterator<LocatedFileStatus> files = store.listFiles(new Path("/"), true);
    while (files.hasNext()) {
      Path path = files.next().getPath();
      String key = path.toUri().getPath().substring(1);
      System.out.println(key);
      File target = new File(to, key);
      target.getParentFile().mkdirs();
      // Without the checksum files that Hadoop puts beside local ones.
      store.copyToLocalFile(false, path, new Path(target.toString()), true);
    }
  }

  private static void expect(boolean condition, String message) {
    if (!condition) throw new IllegalStateException(message);
  }
}
