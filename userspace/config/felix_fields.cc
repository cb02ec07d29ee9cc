#include "config/felix_fields.h"

#include <algorithm>
#include <iterator>

namespace nodewall::config {
namespace {

// In byte order: looked up by halving.
constexpr std::string_view kUntyped[] = {
    "allowIPIPPacketsFromWorkloads", "allowVXLANPacketsFromWorkloads", "awsSrcDstCheck",
    "bpfAttachType", "bpfCTLBLogFilter", "bpfConnectTimeLoadBalancing",
    "bpfConnectTimeLoadBalancingEnabled", "bpfConntrackCleanupMode", "bpfConntrackLogLevel",
    "bpfConntrackMode", "bpfDSROptoutCIDRs", "bpfDataIfacePattern", "bpfDisableGROForIfaces",
    "bpfDisableUnprivileged", "bpfEnabled", "bpfEnforceRPF", "bpfExcludeCIDRsFromNAT",
    "bpfExportBufferSizeMB", "bpfExtToServiceConnmark", "bpfExternalServiceMode",
    "bpfForceTrackPacketsFromIfaces", "bpfHostConntrackBypass", "bpfHostNetworkedNATWithoutCTLB",
    "bpfIPFragTimeout", "bpfIPFragmentReassemblyEnabled", "bpfJITHardening",
    "bpfKubeProxyEndpointSlicesEnabled", "bpfKubeProxyHealthzPort",
    "bpfKubeProxyIptablesCleanupEnabled", "bpfKubeProxyMinSyncPeriod", "bpfL3IfacePattern",
    "bpfLogFilters", "bpfLogLevel", "bpfMapSizeConntrackCleanupQueue",
    "bpfMapSizeConntrackScaling", "bpfMapSizeIPSets", "bpfMapSizeIfState",
    "bpfMapSizeNATAffinity", "bpfMapSizeNATBackend", "bpfMapSizeNATFrontend",
    "bpfMapSizePerCpuConntrack", "bpfMapSizeRoute", "bpfPSNATPorts", "bpfPolicyDebugEnabled",
    "bpfProfiling", "bpfRedirectToPeer", "cgroupV2Path", "chainInsertMode", "dataplaneDriver",
    "dataplaneWatchdogTimeout", "debugDisableLogDropping", "debugHost", "debugMemoryProfilePath",
    "debugPort", "debugSimulateCalcGraphHangAfter", "debugSimulateDataplaneApplyDelay",
    "debugSimulateDataplaneHangAfter", "defaultEndpointToHostAction", "deviceRouteProtocol",
    "deviceRouteSourceAddress", "deviceRouteSourceAddressIPv6", "disableConntrackInvalidCheck",
    "endpointReportingDelay", "endpointReportingEnabled", "endpointStatusPathPrefix",
    "externalNodesList", "featureDetectOverride", "featureGates", "floatingIPs",
    "flowLogsCollectorDebugTrace", "flowLogsFlushInterval", "flowLogsGoldmaneServer",
    "flowLogsLocalReporter", "flowLogsPolicyEvaluationMode", "genericXDPEnabled", "goGCThreshold",
    "goMaxProcs", "goMemoryLimitMB", "healthEnabled", "healthHost", "healthPort",
    "healthTimeoutOverrides", "ipForwarding", "ipipEnabled", "ipipMTU", "ipsetsRefreshInterval",
    "iptablesBackend", "iptablesFilterAllowAction", "iptablesFilterDenyAction",
    "iptablesLockFilePath", "iptablesLockProbeInterval", "iptablesLockTimeout",
    "iptablesMangleAllowAction", "iptablesMarkMask", "iptablesNATOutgoingInterfaceFilter",
    "iptablesPostWriteCheckInterval", "iptablesRefreshInterval", "ipv4ElevatedRoutePriority",
    "ipv4NormalRoutePriority", "ipv6ElevatedRoutePriority", "ipv6NormalRoutePriority",
    "istioAmbientMode", "istioDSCPMark", "logDebugFilenameRegex", "logFilePath", "logPrefix",
    "logSeverityFile", "logSeveritySys", "maxIpsetSize", "metadataAddr", "metadataPort",
    "mtuIfacePattern", "natOutgoingAddress", "natOutgoingExclusions", "natPortRange",
    "netlinkTimeout", "nftablesFilterAllowAction", "nftablesFilterDenyAction",
    "nftablesMangleAllowAction", "nftablesMarkMask", "nftablesMode", "nftablesRefreshInterval",
    "nodeSelector", "openstackRegion", "policySyncPathPrefix", "programClusterRoutes",
    "prometheusGoMetricsEnabled", "prometheusMetricsCAFile", "prometheusMetricsCertFile",
    "prometheusMetricsClientAuth", "prometheusMetricsEnabled", "prometheusMetricsHost",
    "prometheusMetricsKeyFile", "prometheusMetricsPort", "prometheusProcessMetricsEnabled",
    "prometheusWireGuardMetricsEnabled", "removeExternalRoutes", "reportingInterval",
    "reportingTTL", "requireMTUFile", "routeRefreshInterval", "routeSource", "routeSyncDisabled",
    "routeTableRange", "routeTableRanges", "serviceLoopPrevention", "sidecarAccelerationEnabled",
    "usageReportingEnabled", "usageReportingInitialDelay", "usageReportingInterval",
    "useInternalDataplaneDriver", "vxlanEnabled", "vxlanMTU", "vxlanMTUV6", "vxlanPort",
    "vxlanVNI", "windowsManageFirewallRules", "wireguardEnabled", "wireguardEnabledV6",
    "wireguardHostEncryptionEnabled", "wireguardInterfaceName", "wireguardInterfaceNameV6",
    "wireguardKeepAlive", "wireguardListeningPort", "wireguardListeningPortV6", "wireguardMTU",
    "wireguardMTUV6", "wireguardRoutingRulePriority", "wireguardThreadingEnabled",
    "workloadSourceSpoofing", "xdpEnabled", "xdpRefreshInterval",
};
static_assert(std::is_sorted(std::begin(kUntyped), std::end(kUntyped)));

}  // namespace

bool is_untyped_felix_field(std::string_view name) { return std::ranges::binary_search(kUntyped, name); }

}  // namespace nodewall::config
