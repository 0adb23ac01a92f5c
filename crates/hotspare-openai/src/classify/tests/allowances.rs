//! Rate limits, allowances and money in the words of hosts, verbatim.

use super::hosts::assert_classified;
use super::*;

#[test]
fn rate_limits_disguised_as_other_errors_are_recognized() {
    use Kind::{Forbidden, GrowthLimited, Overloaded, RateLimited, Unsupported};
    assert_classified(&[
        (
            429,
            r#"{"error":{"message":"Allocated quota exceeded, please increase your quota limit.","type":"insufficient_quota","param":null,"code":"insufficient_quota"}}"#,
            RateLimited,
        ),
        (
            429,
            r#"{"error":{"message":"Request rate increased too quickly. To ensure system stability, please adjust your client logic to scale requests more smoothly over time.","type":"limit_burst_rate","param":null,"code":"limit_burst_rate"}}"#,
            GrowthLimited,
        ),
        (
            429,
            r#"{"error":{"message":"Your current subscription plan does not yet include access to GLM-5","code":"1311"}}"#,
            Forbidden,
        ),
        (
            400,
            r#"{"detail":"The 'gpt-5.6-sol' model is not supported when using Codex with a ChatGPT account."}"#,
            Forbidden,
        ),
        (
            400,
            r#"{"error":{"code":400,"message":"Project `x` is not allowed to use Publisher Model `projects/x/locations/us/publishers/meta/models/m`","status":"FAILED_PRECONDITION"}}"#,
            Forbidden,
        ),
        (200, r#"{"message":"Selected model is at capacity. Please try a different model."}"#, Overloaded),
        (
            200,
            r#"{"type":"too_many_requests","code":"too_many_requests","message":"Too many requests.","param":null}"#,
            RateLimited,
        ),
        (
            200,
            r#"{"code":"rate_limit_exceeded","message":"Request too large for m in organization o on tokens per min (TPM): Limit 200000, Requested 208334. The input or output tokens must be reduced in order to run successfully."}"#,
            Unsupported,
        ),
        (
            429,
            r#"{"error":{"code":"insufficient_quota","message":"You exceeded your current quota, please check your plan and billing details. For details, see: https://help.aliyun.com/zh/model-studio/error-code#token-limit","param":null,"type":"insufficient_quota"},"request_id":""}"#,
            RateLimited,
        ),
    ]);
}

#[test]
fn billing_messages_are_quota_exhausted() {
    use Kind::QuotaExhausted;
    assert_classified(&[
        (
            403,
            r#"{"error":{"message":"The free tier of the model has been exhausted. If you wish to continue access the model on a paid basis, please disable the \"use free tier only\" mode in the management console.","type":"AllocationQuota.FreeTierOnly","param":null,"code":"AllocationQuota.FreeTierOnly"}}"#,
            QuotaExhausted,
        ),
        (
            429,
            r#"{"error":{"message":"Free allocated quota exceeded.","type":"Throttling.AllocationQuota","param":null,"code":"Throttling.AllocationQuota"}}"#,
            QuotaExhausted,
        ),
        (
            429,
            r#"{"error":{"message":"The postpaid bill is overdue.","type":"PostpaidBillOverdue","param":null,"code":"PostpaidBillOverdue"}}"#,
            QuotaExhausted,
        ),
        (
            429,
            r#"{"error":{"message":"Weekly/Monthly Limit Exhausted. Your limit will reset at 2026-02-01 10:00:00","code":"1310"}}"#,
            QuotaExhausted,
        ),
        (
            429,
            r#"{"error":{"type":"rate_limit_error","code":"1310","message":"[1310][Weekly/Monthly Limit Exhausted. Your limit will reset at 2026-08-01 10:03:40][202607280616391a9088331cb844d2]"}}"#,
            QuotaExhausted,
        ),
        (
            429,
            r#"{"error":{"message":"Your GLM Coding Plan package has expired and is temporarily unavailable.","code":"1309"}}"#,
            QuotaExhausted,
        ),
        (
            429,
            r#"{"type":"error","error":{"type":"rate_limit_error","message":"usage limit exceeded, 5-hour usage limit reached for Token Plan Plus (4500/4500 used), resets at 2026-03-20T15:00:00+08:00 (2056)","http_code":"429"},"request_id":"x"}"#,
            QuotaExhausted,
        ),
        (
            429,
            r#"{"error":{"message":"Your account org-x<ak-y> request reached organization TPD rate limit, current: 1526210, limit: 1500000","type":"rate_limit_reached_error"}}"#,
            QuotaExhausted,
        ),
        (
            403,
            r#"{"error":{"message":"The request failed because your account has an overdue balance. Request id: 0217","code":"AccountOverdueError","param":"","type":"Forbidden"}}"#,
            QuotaExhausted,
        ),
        (
            403,
            r#"{"error":{"message":"AI Gateway requires a valid credit card on file to service requests. Please visit https://vercel.com/d?to=... to add a card and unlock your free credits.","type":"customer_verification_required"}}"#,
            QuotaExhausted,
        ),
        (
            403,
            r#"{"detail":{"error":"inference prohibited, please enter a payment method or top up your balance"}}"#,
            QuotaExhausted,
        ),
        (
            403,
            r#"{"error":{"message":"your subscription payment is past due. update your payment method: https://ollama.com/settings/billing (ref: x)","type":"api_error","param":null,"code":null}}"#,
            QuotaExhausted,
        ),
        (
            429,
            r#"{"error":{"message":"Your account [2100] has reached the set inference limit for the [deepseek-r1] model, and the model service has been paused. To continue using this model, please visit the Model Activation page to adjust or close the \"Safe Experience Mode\". Request id: 02","code":"SetLimitExceeded","param":"","type":"TooManyRequests"}}"#,
            QuotaExhausted,
        ),
        (
            403,
            r#"{"error":{"message":"User's credit limit is insufficient, remaining credit limit: $0.000000","type":"api_error","code":"insufficient_user_quota"}}"#,
            QuotaExhausted,
        ),
        (
            403,
            r#"{"error":{"message":"user quota is not enough (request id: 2024)","type":"v_api_error","param":"","code":"insufficient_user_quota"}}"#,
            QuotaExhausted,
        ),
        (
            403,
            r#"{"error":{"message":"预扣费额度失败, 用户[12]剩余额度: ＄0.001000, 需要预扣费额度: ＄0.012000","type":"new_api_error","param":"","code":"pre_consume_token_quota_failed"}}"#,
            QuotaExhausted,
        ),
        (
            403,
            r#"{"code":"The caller does not have permission to execute the specified operation","error":"Your newly created team does not have any credits or licenses yet."}"#,
            QuotaExhausted,
        ),
        (
            403,
            r#"{"code":"personal-team-blocked:spending-limit","error":"You have run out of credits or need a Grok subscription."}"#,
            QuotaExhausted,
        ),
        (
            400,
            r#"{"error":{"message":"ExceededBudget: End User=u over budget. Spend=0.0008, Budget=0.0001","type":"auth_error","param":"None","code":400}}"#,
            QuotaExhausted,
        ),
        (
            400,
            r#"{"error":{"message":"Authentication Error, ExceededTokenBudget: Current spend for token: 7.2; Max Budget for Token: 2.0","type":"auth_error","param":"None","code":400}}"#,
            QuotaExhausted,
        ),
        (
            429,
            r#"{"type":"error","error":{"type":"SubscriptionUsageLimitError","message":"Subscription quota exceeded. You can continue using free models."}}"#,
            QuotaExhausted,
        ),
        (429, r#"{"error":{"code":"1316","message":"usage cap reached"}}"#, QuotaExhausted),
        (
            429,
            r#"{"error":{"message":"you (u) have reached your session usage limit, upgrade for higher limits: https://ollama.com/upgrade","type":"rate_limit_error","param":null,"code":null}}"#,
            QuotaExhausted,
        ),
        (429, r#"{"error":{"message":"You have no quota","code":"quota_exceeded"}}"#, QuotaExhausted),
        (
            401,
            r#"{"type":"error","error":{"type":"CreditsError","message":"No payment method. Add a payment method here: https://opencode.ai/workspace/x/billing"}}"#,
            QuotaExhausted,
        ),
        (
            429,
            r#"{"type":"error","error":{"type":"FreeUsageLimitError","message":"Free usage exceeded, add credits https://opencode.ai/zen"}}"#,
            QuotaExhausted,
        ),
    ]);
}
