import java.io.File;
import java.net.InetSocketAddress;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.hdfs.server.datanode.DataNode;
import org.apache.hadoop.hdfs.server.namenode.EditLogFileOutputStream;
import org.apache.hadoop.hdfs.server.namenode.NameNode;
import org.apache.hadoop.metrics2.lib.DefaultMetricsSystem;
import org.apache.hadoop.security.UserGroupInformation;

/**
 * A whole HDFS in one process, on free ports of this machine: a namenode and a datanode. Prints "WebHDFS on HOST:PORT as USER" when
 * files can be written, and ends when its standard input does, so that it never outlives the test that started it.
 *
 * Run from its source: java -cp CLASSPATH HdfsServer.java DIRECTORY
 */
public final class HdfsServer {
  public static void main(String[] arguments) throws Exception {
    File directory = new File(arguments[0]).getAbsoluteFile();
    Configuration configuration = new Configuration();
    configuration.set("fs.defaultFS", "hdfs://127.0.0.1:0");
    configuration.set("dfs.namenode.rpc-address", "127.0.0.1:0");
    configuration.set("dfs.namenode.http-address", "127.0.0.1:0");
    configuration.set("dfs.namenode.name.dir", new File(directory, "name").toURI().toString());
    configuration.set("dfs.datanode.data.dir", new File(directory, "data").toURI().toString());
    configuration.set("dfs.datanode.address", "127.0.0.1:0");
    configuration.set("dfs.datanode.http.address", "127.0.0.1:0");
    configuration.set("dfs.datanode.ipc.address", "127.0.0.1:0");
    configuration.set("dfs.datanode.hostname", "127.0.0.1");
    configuration.setInt("dfs.replication", 1);
    configuration.setInt("dfs.namenode.safemode.extension", 0);
    // Small pages, so that tests see more than one.
    configuration.setInt("dfs.ls.limit", 5);
    // How long a writer waits when the namenode has not yet heard of a block; with one datanode that is soon.
    configuration.setInt("dfs.client.block.write.locateFollowingBlock.initial.delay.ms", 20);
    // Whoever names himself is believed; the user of this process is the superuser.
    configuration.setBoolean("dfs.permissions.enabled", true);
    // Both would register metrics of one name.
    DefaultMetricsSystem.setMiniClusterMode(true);
    // Its files need not outlive it.
    EditLogFileOutputStream.setShouldSkipFsyncForTesting(true);
    NameNode.format(configuration);
    NameNode namenode = new NameNode(configuration);
    InetSocketAddress rpc = namenode.getNameNodeAddress();
    configuration.set("fs.defaultFS", "hdfs://127.0.0.1:" + rpc.getPort());
    configuration.set("dfs.namenode.rpc-address", "127.0.0.1:" + rpc.getPort());
    DataNode datanode = DataNode.createDataNode(new String[] {}, configuration);
    while (!datanode.isDatanodeFullyStarted() || namenode.getNamesystem().getNumLiveDataNodes() == 0) Thread.sleep(50);
    String user = UserGroupInformation.getCurrentUser().getShortUserName();
    System.out.println("WebHDFS on 127.0.0.1:" + namenode.getHttpAddress().getPort() + " as " + user);
    System.out.flush();
    while (System.in.read() >= 0) {}
    Runtime.getRuntime().halt(0);
  }
}
